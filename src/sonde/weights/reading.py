"""Weights as the sites of the vocabulary name them: of every family the same shapes, whatever its modules keep.

A site that a projection gives tells which module it is, and how heads lie in its output; so the same view that unpacks activations unpacks weights.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.modes import is_plain
from sonde.access.views import Firing, Folded, Heads, NormScale, View, Whole
from sonde.results import SiteUnavailable


@dataclass(frozen=True, eq=False)
class Norm:
    """What a norm does but for dividing by its scale: x -> (x - mean of x, where it centres) * gain + bias.

    Arguments:
        path: of its module.
        gain, bias: by dimension; `None` where it has none.
        centres: whether it takes the mean off.
    """

    path: str
    gain: Float[Tensor, " d_model"] | None
    bias: Float[Tensor, " d_model"] | None
    centres: bool

    def before(self, weight: Float[Tensor, "*leading d_model d_out"]) -> Float[Tensor, "*leading d_model d_out"]:
        """A map that reads what the norm gives, as one that reads what enters it."""
        weight = weight if self.gain is None else self.gain[:, None] * weight
        return weight - weight.mean(-2, keepdim=True) if self.centres else weight

    def after(self, weight: Float[Tensor, "*leading d_in d_model"]) -> Float[Tensor, "*leading d_in d_model"]:
        """A map whose output goes through the norm, followed by it."""
        weight = weight - weight.mean(-1, keepdim=True) if self.centres else weight
        return weight if self.gain is None else weight * self.gain


@dataclass(frozen=True, eq=False)
class Affine:
    """A projection: x -> x W + b.

    Arguments:
        weight: (in, out), or by head.
        bias: (out), or by head; zeros where there is none.
    """

    weight: Float[Tensor, "*head d_in d_out"]
    bias: Float[Tensor, "*shared d_out"]


def norm_at(model: Model, site: str) -> Norm | None:
    """The norm whose scale a site holds; `None` where the model has none there.

    Arguments:
        model: of a known family.
        site: such as `blocks.0.attn.norm.scale`.

    Raises:
        SiteUnavailable: a norm that is there, but of which it is not known by what it divides.
    """
    arch = model.architecture
    if site not in arch.sites:
        reason = arch.why_not(site) or ""
        if "sonde does not know" in reason:
            raise SiteUnavailable(reason)
        return None
    spec = model.locate(site)
    norm = model.module.get_submodule(spec.point.module)
    view = spec.view.view if isinstance(spec.view, Folded) else spec.view
    assert isinstance(view, NormScale)
    gain, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    return Norm(
        path=spec.point.module,
        gain=None if gain is None else _plain(gain) + view.offset,
        bias=None if bias is None else _plain(bias),
        centres=isinstance(norm, nn.LayerNorm),
    )


def read_norm(model: Model, layer: int, branch: str) -> Norm | None:
    """The norm through which a branch of a block reads the stream.

    Arguments:
        model: of a known family.
        layer: of the block.
        branch: "attn" or "mlp".
    """
    if model.architecture.law == "post":
        return None
    kind = "attn" if branch == "attn" or (model.architecture.law == "parallel" and not _has(model, layer, "mlp.norm.scale")) else "mlp"
    return norm_at(model, f"blocks.{layer}.{kind}.norm.scale")


def written_norm(model: Model, layer: int, branch: str) -> Norm | None:
    """The norm that what a branch adds goes through before it is added.

    Arguments:
        model: of a known family.
        layer: of the block.
        branch: "attn" or "mlp".
    """
    return norm_at(model, f"blocks.{layer}.{branch}.post_norm.scale") if model.architecture.law == "sandwich" else None


def projection(model: Model, site: str) -> Affine:
    """The projection whose output is a site, by head where the site has heads.

    Arguments:
        model: of a known family.
        site: such as `blocks.0.attn.q`, or `blocks.0.mlp.pre`.

    Raises:
        SiteUnavailable: a model without the site, or whose module there is no plain linear map.
    """
    spec = _located(model, site)
    weight, bias = _linear(model, spec.point.module, site)
    view = spec.view.view if isinstance(spec.view, Folded) else spec.view
    of = Firing(model.module, None, None, None)
    weight, bias = _unpacked(view, weight, of), _unpacked(view, bias, of)
    return Affine(weight.movedim(-2, 0) if isinstance(view, Heads) else weight, bias)


def output(model: Model, site: str) -> Affine:
    """The projection whose input is a site, by head where the site has heads; the bias is that of all heads.

    Arguments:
        model: of a known family.
        site: `blocks.0.attn.z` or `blocks.0.mlp.post`.

    Raises:
        SiteUnavailable: as `projection`; or something that is no norm stands between the projection and the stream.
    """
    spec = _located(model, site)
    block, out = site.rsplit(".", 1)[0], model.locate(f"{site.rsplit('.', 1)[0]}.out").point.module
    if not spec.point.module.startswith(out) and model.architecture.law not in ("sandwich", "post"):
        raise SiteUnavailable(f"{site!r} has no map of its own into the stream: a {type(model.module.get_submodule(out)).__name__} follows {block}")
    weight, bias = _linear(model, spec.point.module, site)
    return Affine(weight.unflatten(0, (spec.view.n, spec.view.width)) if isinstance(spec.view, Heads) else weight, bias)


def by_query_head(model: Model, affine: Affine) -> Affine:
    """A projection of keys or values for every query head: heads of one group share theirs.

    Arguments:
        model: of a known family.
        affine: by key head.
    """
    times = model.n_heads // affine.weight.shape[0]
    return Affine(affine.weight.repeat_interleave(times, 0), affine.bias.repeat_interleave(times, 0))


def _located(model: Model, site: str):  # type: ignore[no-untyped-def]
    if not model.architecture.sites:
        raise SiteUnavailable(f"{model.name} is {model.architecture.family!r}, no family whose parts have names, so its weights can't be told apart")
    return model.locate(site)


def _has(model: Model, layer: int, kind: str) -> bool:
    return f"blocks.{layer}.{kind}" in model.architecture.sites


def _linear(model: Model, path: str, site: str) -> tuple[Float[Tensor, "d_in d_out"], Float[Tensor, " d_out"]]:
    module = model.module.get_submodule(path)
    weight, transposed = getattr(module, "weight", None), type(module).__name__ == "Conv1D"
    known = isinstance(module, nn.Linear) or transposed
    if not known or not isinstance(weight, Tensor) or not is_plain(weight) or not weight.is_floating_point():
        raise SiteUnavailable(
            f"the weights at {site!r} lie in a {type(module).__name__}, no plain linear map: merge an adapter, or load it unquantised"
        )
    weight = _plain(weight if transposed else weight.T)
    bias = getattr(module, "bias", None)
    return weight, torch.zeros(weight.shape[1]) if bias is None else _plain(bias)


def _unpacked(view: View, raw: Tensor, firing: Firing) -> Tensor:
    return raw if isinstance(view, Whole) else view.get(raw, firing)


def _plain(weight: Tensor) -> Tensor:
    return weight.detach().float().cpu()
