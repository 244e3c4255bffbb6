"""What a direction adds to the logits by itself: past all later blocks, through the final norm with its scale held, and the unembedding.

    l_i = W_U (gamma * P d_i) / s        centred over the vocabulary

P takes the mean away where the norm does, s is the norm's scale on the corpus. A norm divides by a length that a change at right angles to its
input leaves as it is: so the held scale is the model's own norm differentiated along d_i at an input of length s at right angles to d_i, and no
family's norm is written down here.

Shape legend: F latents, D entries of the residual stream, V tokens, B bins.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.features.collecting.histograms import counted
from sonde.results import SondeError

RESIDUAL = ("embed", "resid_pre", "resid_mid", "resid_post", "attn.out", "mlp.out")
THROUGH = ("mlp.post", "attn.z")
SHOWN = 10
BINS = 40
BLOCK = 2**24
"""Logits that are formed at a time: 64 MB in float32."""
SMALL = 1e-2  # so that a cap on the logits is still linear


@dataclass(frozen=True, eq=False)
class Effects:
    """The direct effects of latents on the logits.

    Arguments:
        top: the tokens that each latent makes likelier, the most first.
        top_values: by how much, for one unit of activation.
        bottom: those that it makes less likely, the most first.
        bottom_values: by how much.
        low, high: the range of all tokens' effects.
        histogram: of them.
    """

    top: Int[Tensor, "latent shown"]
    top_values: Float[Tensor, "latent shown"]
    bottom: Int[Tensor, "latent shown"]
    bottom_values: Float[Tensor, "latent shown"]
    low: Float[Tensor, " latent"]
    high: Float[Tensor, " latent"]
    histogram: Int[Tensor, "latent bin"]


@torch.no_grad()
def written(model: Model, site: str, directions: Float[Tensor, "latent entry"]) -> Float[Tensor, "latent d_model"] | str:
    """What directions at a site add to the residual stream; the reason where that can't be told.

    Arguments:
        model: of the site.
        site: where the directions are written.
        directions: one for each latent.
    """
    arch = model.architecture
    if not arch.unembed or not arch.sites or arch.law in ("none", "post"):
        return f"{model.name} has no residual stream that its unembedding reads"
    kind = ".".join(site.split(".")[2:]) if site.startswith("blocks.") else site
    if kind in RESIDUAL:
        return (
            directions if directions.shape[1] == model.d_model else f"the directions have {directions.shape[1]} entries, the stream {model.d_model}"
        )
    if kind not in THROUGH or arch.law == "sandwich":
        return f"{site!r} does not write to the residual stream"
    point = model.locate(site).point
    module = model.module.get_submodule(point.module)
    if point.port != "in":
        return f"{site!r} is no input of a linear map to the residual stream"
    try:
        given = directions.to(next(module.parameters()))
        out: Tensor = module(given) - module(torch.zeros_like(given[:1]))
    except (RuntimeError, StopIteration) as error:
        return f"{site!r} can't be followed to the residual stream ({error})"
    return out.float().cpu()


@torch.no_grad()
def logit_weights(model: Model, d_fd: Float[Tensor, "latent d_model"], scale: float) -> Float[Tensor, "latent vocab"]:
    """What one unit of each latent adds to every token's logit.

    Arguments:
        model: with an unembedding.
        d_fd: directions in the residual stream.
        scale: of the final norm.
    """
    unembed = next(model.module.get_submodule(model.architecture.unembed).parameters())
    d_fd = d_fd.to(unembed)
    base = scale * d_fd.shape[1] ** 0.5 * _at_right_angles(d_fd)
    normed = _along(model.final, base, d_fd)
    size = normed.norm(dim=-1, keepdim=True).clamp(min=1e-30) / SMALL if model.architecture.softcap else 1.0
    logits = (model.read_out(normed / size) - model.read_out(torch.zeros_like(normed[:1]))) * size
    return (logits - logits.mean(-1, keepdim=True)).float().cpu()


def effects(model: Model, d_fd: Float[Tensor, "latent d_model"], scale: float) -> Effects:
    """The tokens that latents move most, and the histogram over all.

    Arguments:
        model: with an unembedding.
        d_fd: directions in the residual stream.
        scale: of the final norm.
    """
    parts = []
    for block in d_fd.split(max(1, BLOCK // max(1, model.architecture.d_vocab))):
        logits = logit_weights(model, block, scale)
        shown = min(SHOWN, logits.shape[1])
        top, bottom = logits.topk(shown), logits.topk(shown, largest=False)
        low, high = logits.amin(1), logits.amax(1)
        parts.append((top.indices, top.values, bottom.indices, bottom.values, low, high, counted(logits, low, high, BINS)))
    return Effects(*(torch.cat(column) for column in zip(*parts, strict=True)))


def typical_scale(model: Model, inputs: object) -> float:
    """The mean scale of the final norm over some sequences; 1 where it has none that sonde knows."""
    if "final_norm.scale" not in model.architecture.sites:
        return 1.0
    try:
        run = model.run(inputs, read="final_norm.scale", logits=False)  # type: ignore[arg-type]
    except SondeError:
        return 1.0
    scale = run["final_norm.scale"].float()
    mask = run.mask
    return float((scale if mask is None else scale[mask.to(scale.device)]).mean())


def _along(function: Callable[[Tensor], Tensor], at: Tensor, directions: Tensor) -> Tensor:
    """The derivative of a function along directions: that of its pulled-back slopes by what they are pulled back from."""
    with torch.enable_grad():
        at = at.detach().requires_grad_()
        out = function(at)
        slopes = torch.zeros_like(out, requires_grad=True)
        (pulled,) = torch.autograd.grad(out, at, slopes, create_graph=True)
        (along,) = torch.autograd.grad(pulled, slopes, directions)
    return along


def _at_right_angles(d_fd: Tensor) -> Tensor:
    """For each direction a unit vector at right angles to it, without a mean."""
    base = torch.randn(d_fd.shape, generator=torch.Generator().manual_seed(0)).to(d_fd)
    ones = torch.ones_like(d_fd[:1]) / d_fd.shape[1] ** 0.5
    along = d_fd - (d_fd * ones).sum(-1, keepdim=True) * ones
    along = along / along.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    for _ in range(2):  # twice: the first time leaves rounding behind
        base = base - (base * ones).sum(-1, keepdim=True) * ones
        base = base - (base * along).sum(-1, keepdim=True) * along
    return base / base.norm(dim=-1, keepdim=True)
