"""Proof that a model's sites are what their names say: equations between them, held against one forward.

A family's file states where its parts are. A subclass, an adapter or another version may compute something else at the same paths, and the tensors
would still have the right shapes. So the first use of the vocabulary runs a few random tokens through the model and compares what must be equal; a
site whose equation fails is not offered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sonde.access.forward import evaluation, forward
from sonde.access.kernels import PORTS
from sonde.access.run import Run
from sonde.access.sites import Site
from sonde.results import SiteUnavailable

if TYPE_CHECKING:
    from sonde.access.model import Model

ROWS, POSITIONS = 2, 6
BOUND, BOUND_HALF = 1e-3, 5e-2  # relative to the largest entry, in single and in half precision: what rounding explains, many times over

# the equation, the sites that it vouches for, and its two sides
Equation = tuple[str, Sequence[str], Tensor, Tensor]


@dataclass(frozen=True)
class Identity:
    """One equation between sites, as it was found.

    Arguments:
        equation: what must be equal, in the block of its sites.
        sites: the sites that it vouches for.
        off: the largest difference, relative to the largest entry.
        bound: how much of it rounding explains.
    """

    equation: str
    sites: tuple[str, ...]
    off: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether both sides are equal up to rounding."""
        return self.off <= self.bound

    def __str__(self) -> str:
        return (
            f"{self.equation} ({self.sites[0]}): {'holds' if self.holds else 'FAILS'}, off by {self.off:.1e} where rounding explains {self.bound:.0e}"
        )


def prove(model: "Model", seed: int = 0) -> list[Identity]:
    """Hold every equation against one forward over random tokens; see `Model.prove`."""
    arch = model.architecture
    shape = ROWS, min(POSITIONS, model.context or POSITIONS)
    ids = torch.randint(arch.d_vocab, shape, generator=torch.Generator().manual_seed(seed))
    inputs, sites = model.prepare(ids), [Site(name) for name in arch.sites]
    try:
        run = forward(model, inputs, sites, (), logits=True)
    except SiteUnavailable:  # a kernel of the user's own, under which scores and patterns can't be recorded
        run = forward(model, inputs, [site for site in sites if arch.sites[site.name].point.port not in PORTS], (), logits=True)
    if run.logits.isnan().any():  # broken weights make every equation fail, and no site wrong
        return []
    bound = BOUND_HALF if run.logits.dtype in (torch.float16, torch.bfloat16) else BOUND
    with evaluation(model.module), torch.no_grad():
        equations = [*_ends(model, run), *(equation for i in range(arch.n_layers) for equation in _in_block(model, run, i))]
    return [Identity(name, tuple(sites), _difference(left, right), bound) for name, sites, left, right in equations]


def _ends(model: "Model", run: Run) -> Iterator[Equation]:
    """Before the first block and after the last."""
    sites, last = model.architecture.sites, f"blocks.{model.n_layers - 1}.resid_post"
    if "pos_embed" in sites:
        yield "embed + pos_embed = the first resid_pre", ["embed", "pos_embed"], run["embed"] + run["pos_embed"], run["blocks.0.resid_pre"]
    else:
        yield "embed = the first resid_pre", ["embed"], run["embed"], run["blocks.0.resid_pre"]
    yield from _norm(model, run, "final_norm.scale", last, "final_norm")
    if "logits" in sites:
        yield "unembed(final_norm) = logits", ["final_norm"], model.module.get_submodule(model.architecture.unembed)(run["final_norm"]), run["logits"]


def _in_block(model: "Model", run: Run, i: int) -> Iterator[Equation]:
    """The equations of a pre-norm block."""
    b, sites = f"blocks.{i}.", model.architecture.sites
    pre, mid, post = (run[f"{b}resid_{part}"] for part in ("pre", "mid", "post"))
    if i:
        yield "resid_post = resid_pre of the next block", [f"{b}resid_pre"], run[f"blocks.{i - 1}.resid_post"], pre
    if f"{b}mlp.out" in sites:
        written = [f"{b}attn.out", f"{b}resid_mid", f"{b}mlp.out"]
        yield "resid_pre + attn.out + mlp.out = resid_post", written, pre + run[f"{b}attn.out"] + run[f"{b}mlp.out"], post
        down = _module(model, f"{b}mlp.post")
        yield "down(mlp.post) = mlp.out", [f"{b}mlp.post"], down(run[f"{b}mlp.post"]), run[f"{b}mlp.out"]
    else:
        yield "resid_pre + attn.out = resid_post", [f"{b}attn.out", f"{b}resid_mid"], mid, post
    z = run[f"{b}attn.z"]
    if f"{b}attn.pattern" in run:
        scores, pattern = run[f"{b}attn.scores"], run[f"{b}attn.pattern"]
        yield "softmax(scores) = pattern", [f"{b}attn.scores", f"{b}attn.pattern"], scores.float().softmax(-1), pattern
        v_bphe = run[f"{b}attn.v"].repeat_interleave(model.n_heads // model.architecture.n_kv_heads, 2)
        mixed = torch.einsum("bhqk,bkhe->bqhe", pattern.to(v_bphe.dtype), v_bphe)
        yield "pattern v = z", [f"{b}attn.pattern", f"{b}attn.v", f"{b}attn.z"], mixed, z
    yield "o(z) = attn.out", [f"{b}attn.z"], _module(model, f"{b}attn.z")(z.flatten(2)), run[f"{b}attn.out"]
    if f"{b}attn.result" in sites:
        bias = getattr(_module(model, f"{b}attn.result"), "bias", None)
        summed = run[f"{b}attn.result"].sum(2) + (0 if bias is None else bias)
        yield "results + bias = attn.out", [f"{b}attn.result"], summed, run[f"{b}attn.out"]
    yield from _norm(model, run, f"{b}attn.norm.scale", f"{b}resid_pre", f"{b}attn.in")
    yield from _norm(model, run, f"{b}mlp.norm.scale", f"{b}resid_mid", f"{b}mlp.in")


def _norm(model: "Model", run: Run, scale: str, entering: str, leaving: str) -> Iterator[Equation]:
    if scale not in model.architecture.sites:
        return
    norm, hidden = _module(model, scale), run[entering].float()
    centred = hidden - hidden.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else hidden
    weight, bias = (getattr(norm, name, None) for name in ("weight", "bias"))
    normed = centred / run[scale].unsqueeze(-1) * (1 if weight is None else weight) + (0 if bias is None else bias)
    yield "the norm of what enters / its scale = what leaves", [scale, leaving], normed, run[leaving]


def _module(model: "Model", site: str) -> nn.Module:
    return model.module.get_submodule(model.architecture.sites[site].point.module)


def _difference(left: Tensor, right: Tensor) -> float:
    """The largest difference relative to the largest entry of the right side."""
    left, right = left.double(), right.double()
    return ((left - right).abs().max() / right.abs().max().clamp(min=1e-30)).item()
