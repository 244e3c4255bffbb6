"""Proof that a model's sites are what their names say: equations between them, held against one forward.

A family's file states where its parts are. A subclass, an adapter or another version may compute something else at the same paths, and the tensors
would still have the right shapes. So the first use of the vocabulary runs a few random tokens through the model and compares what must be equal; a
site whose equation fails is not offered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sonde.access.architectures import Architecture, SiteSpec
from sonde.access.forward import evaluation, forward
from sonde.access.kernels import PORTS
from sonde.access.outputs import unwrap
from sonde.access.reach import Equation, reaches
from sonde.access.run import Run
from sonde.access.sites import Site
from sonde.access.views import Firing, Folded, NormScale, View
from sonde.results import SiteUnavailable

if TYPE_CHECKING:
    from sonde.access.model import Model

ROWS, POSITIONS = 2, 6
BOUND, BOUND_HALF = 1e-3, 5e-2  # relative to the largest entry, in single and in half precision: what rounding explains, many times over


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
    """The whole battery; see `Model.prove`."""
    return _identities(model, seed, whole=True)


def first_use(model: "Model", seed: int = 0) -> list[Identity]:
    """The equations that one forward tells."""
    return _identities(model, seed, whole=False)


def _identities(model: "Model", seed: int, whole: bool) -> list[Identity]:
    inputs, specs = model.prepare(_drawn(model, seed)), model.architecture.sites.values()
    try:
        run = forward(model, inputs, [Site(spec.name) for spec in specs], (), logits=True)
    except SiteUnavailable:  # a kernel of the user's own, under which scores and patterns can't be recorded
        run = forward(model, inputs, [Site(spec.name) for spec in specs if spec.point.port not in PORTS], (), logits=True)
    if run.logits.isnan().any():  # broken weights make every equation fail, and no site wrong
        return []
    stacks = model.architecture.towers or (model.architecture,)
    with evaluation(model.module), torch.no_grad():
        equations = [equation for stack in stacks for equation in _Stack(model, run, stack).equations()]
    if whole:
        equations += [equation for stack in stacks for equation in reaches(model, inputs, run, stack)]
    bound = BOUND_HALF if run.logits.dtype in (torch.float16, torch.bfloat16) else BOUND
    return [Identity(name, tuple(sites), _difference(left, right), bound) for name, sites, left, right in equations]


def _drawn(model: "Model", seed: int) -> Tensor | dict[str, Tensor]:
    """Random inputs: tokens, images or both."""
    arch, generator = model.architecture, torch.Generator().manual_seed(seed)
    tokens = torch.randint(max(1, arch.d_vocab), (ROWS, min(POSITIONS, model.context or POSITIONS)), generator=generator)
    if arch.images is None:
        return tokens
    pixels = torch.randn(ROWS, arch.images.channels, arch.images.rows, arch.images.cols, generator=generator)
    return {"pixel_values": pixels, "input_ids": tokens} if arch.d_vocab else pixels


@dataclass
class _Stack:
    """One stack of blocks, and a run over all of its sites."""

    model: "Model"
    run: Run
    arch: Architecture

    def equations(self) -> Iterator[Equation]:
        """Those before the blocks, those of each block, and those after them."""
        yield from self.before()
        for i in range(self.arch.n_layers):
            yield from self.chain(i)
            if self.arch.law != "none":
                yield from self.stream(i)
                yield from self.attention(i)
                yield from self.mlp(i)
        if self.arch.law != "none":
            yield from self.after()

    def before(self) -> Iterator[Equation]:
        names = [name for name in ("embed", "pos_embed", "type_embed") if name in self]
        if self.arch.images is not None and "pos_embed" in self:
            # the special tokens before the patches are parameters, which no site gives
            after, said = self.arch.specials, "embed + pos_embed"
            entering, stream = self["embed"] + self["pos_embed"][:, after:], self["blocks.0.resid_pre"][:, after:]
            if self.arch.embed_norm:
                entering, said = self.apply(self.arch.embed_norm, entering), f"norm({said})"
            yield f"{said} = the first resid_pre at the patches", self.names("embed", "pos_embed"), entering, stream
        if self.arch.images is not None or not names:
            return
        entering, said = sum((self[name] for name in names[1:]), self[names[0]]), " + ".join(names)
        if self.arch.embed_norm:
            yield from self.norm("embed.norm.scale", entering, "blocks.0.resid_pre")
            entering, said = self.apply(self.arch.embed_norm, entering), f"norm({said})"
        yield f"{said} = the first resid_pre", self.names(*names), entering, self["blocks.0.resid_pre"]

    def chain(self, i: int) -> Iterator[Equation]:
        if i:
            before, after = f"blocks.{i - 1}.resid_post", f"blocks.{i}.resid_pre"
            yield "resid_post = resid_pre of the next block", self.names(after, before), self[before], self[after]

    def stream(self, i: int) -> Iterator[Equation]:
        """The residual law."""
        b = f"blocks.{i}."
        pre, attn, post = self[f"{b}resid_pre"], self[f"{b}attn.out"], self[f"{b}resid_post"]
        written = [f"{b}attn.out", *(name for name in (f"{b}resid_mid", f"{b}mlp.out") if name in self)]
        mlp = self[f"{b}mlp.out"] if f"{b}mlp.out" in self else torch.zeros(())
        if self.arch.law == "post":
            mid = self[f"{b}resid_mid"]
            for law, end, scale, entering in (
                ("norm(resid_pre + attn.out) = resid_mid", "resid_mid", "attn.norm.scale", pre + attn),
                ("norm(resid_mid + mlp.out) = resid_post", "resid_post", "mlp.norm.scale", mid + mlp),
            ):
                yield from self.norm(f"{b}{scale}", entering, f"{b}{end}")
                yield law, self.names(*written), self.apply(self.module(f"{b}{scale}"), entering), self[f"{b}{end}"]
            return
        if f"{b}resid_mid" in self:
            yield "resid_pre + attn.out = resid_mid", self.names(f"{b}resid_mid"), pre + attn, self[f"{b}resid_mid"]
        said = "resid_pre + attn.out + mlp.out" if f"{b}mlp.out" in self else "resid_pre + attn.out"
        yield f"{said} = resid_post", self.names(*written), pre + attn + mlp, post
        yield from self.norm(f"{b}attn.norm.scale", pre, f"{b}attn.in")
        if f"{b}mlp.norm.scale" in self:
            yield from self.norm(f"{b}mlp.norm.scale", pre if self.arch.law == "parallel" else self[f"{b}resid_mid"], f"{b}mlp.in")

    def attention(self, i: int) -> Iterator[Equation]:
        b = f"blocks.{i}.attn."
        z, out = self[f"{b}z"], self[f"{b}out"]
        for name in ("q", "k", "v"):
            yield from self.read(f"{b}{name}", f"{b}in")
        if f"{b}pattern" in self:
            scores, pattern = self[f"{b}scores"], self[f"{b}pattern"]
            yield "softmax(scores) = pattern", self.names(f"{b}scores", f"{b}pattern"), scores.float().softmax(-1), pattern
            v_bphe = self[f"{b}v"].repeat_interleave(self.arch.n_heads // self.arch.n_kv_heads, 2)
            mixed = torch.einsum("bhqk,bkhe->bqhe", pattern.to(v_bphe.dtype), v_bphe)
            yield "pattern v = z", self.names(f"{b}pattern", f"{b}v", f"{b}z"), mixed, z
        yield from self.projected("o", f"{b}z", z.flatten(2), f"{b}out", f"{b}post_norm.scale")
        if f"{b}result" in self:
            bias = getattr(self.model.module.get_submodule(self.module(f"{b}result")), "bias", None)
            yield "results + bias = attn.out", self.names(f"{b}result"), self[f"{b}result"].sum(2) + (0 if bias is None else bias), out

    def mlp(self, i: int) -> Iterator[Equation]:
        b = f"blocks.{i}.mlp."
        if f"{b}post" in self:
            for name in ("pre", "gate"):
                yield from self.read(f"{b}{name}", f"{b}in")
            yield from self.projected("down", f"{b}post", self[f"{b}post"], f"{b}out", f"{b}post_norm.scale")

    def read(self, name: str, entering: str) -> Iterator[Equation]:
        """A projection's output, unpacked, is what it makes of the branch's input."""
        if name in self:
            view, projection = self.view(name), self.module(name)
            raw = self.apply(projection, self[entering])
            unpacked = view.get(raw, Firing(self.model.module.get_submodule(projection), self[entering], None, len(raw)))
            kind = name.split(".", 2)[2]
            yield f"{kind} = its projection of {entering.split('.', 2)[2]}", self.names(name, entering), unpacked, self[name]

    def projected(self, symbol: str, entering: str, value: Tensor, leaving: str, scale: str) -> Iterator[Equation]:
        """What is added to the stream is the projection's output, or what a norm or a layer scale makes of it."""
        projection, last = self.module(entering), self.module(leaving)
        out, said = self.apply(projection, value), f"{symbol}({'z' if symbol == 'o' else 'mlp.post'})"
        if not projection.startswith(last):
            yield from self.norm(scale, out, leaving)
            out, said = self.apply(last, out), f"{last.rpartition('.')[2]}({said})"
        yield f"{said} = {leaving.partition('.')[2].partition('.')[2]}", self.names(entering), out, self[leaving]

    def after(self) -> Iterator[Equation]:
        last = hidden = self[f"blocks.{self.arch.n_layers - 1}.resid_post"]
        for path in self.arch.final:
            if "final_norm" in self and path == self.module("final_norm"):
                yield from self.norm("final_norm.scale", hidden, "final_norm")
                yield "norm(the last resid_post) = final_norm", self.names("final_norm"), self.apply(path, hidden), self["final_norm"]
            hidden = self.apply(path, hidden)
        if "final_norm" in self and self.module("final_norm").startswith(tuple(f"{path}." for path in self.arch.final)):
            yield "what follows the last resid_post = final_norm", self.names("final_norm"), hidden, self["final_norm"]
        if "logits" in self and self.arch.unembed:
            yield "unembed(the last resid_post) = logits", self.names("logits"), self.model.unembed(last), self["logits"]

    def norm(self, scale: str, entering: Tensor, leaving: str) -> Iterator[Equation]:
        if scale not in self:
            return
        norm, hidden = self.model.module.get_submodule(self.module(scale)), entering.float()
        centred = hidden - hidden.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else hidden
        weight, bias = (getattr(norm, name, None) for name in ("weight", "bias"))
        view = self.view(scale)
        assert isinstance(view, NormScale)
        normed = centred / self[scale].unsqueeze(-1) * (1 if weight is None else weight + view.offset) + (0 if bias is None else bias)
        yield "the norm of what enters / its scale = what leaves", self.names(scale, leaving), normed, self[leaving]

    # the run and the modules, by the names of sites without the tower's prefix

    def __contains__(self, name: str) -> bool:
        return self.arch.prefix + name in self.run

    def __getitem__(self, name: str) -> Tensor:
        return self.run[self.arch.prefix + name]

    def names(self, *names: str) -> list[str]:
        return [self.arch.prefix + name for name in names]

    def spec(self, name: str) -> SiteSpec:
        return self.arch.sites[self.arch.prefix + name]

    def view(self, name: str) -> View:
        """How the tensor at a site is unpacked, its positions by row."""
        view = self.spec(name).view
        return view.view if isinstance(view, Folded) else view

    def module(self, name: str) -> str:
        """The path of the module at a site."""
        return self.spec(name).point.module

    def apply(self, path: str, value: Tensor) -> Tensor:
        """What the module at a path makes of a tensor."""
        return unwrap(self.model.module.get_submodule(path)(value))


def _difference(left: Tensor, right: Tensor) -> float:
    """The largest difference relative to the largest entry of the right side."""
    left, right = left.double(), right.double()
    return ((left - right).abs().max() / right.abs().max().clamp(min=1e-30)).item()
