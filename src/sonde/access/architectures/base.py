"""What an architecture is: where the named sites of a network are, as data.

A family's file states the paths of its parts and calls `decoder`; nothing else in sonde knows a family. Whatever a family cannot offer is
listed with the reason, so that asking for it gives an explanation and never another tensor.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from sonde.access.kernels import Kernel
from sonde.access.views import Broadcast, HeadFirst, HeadResults, Heads, NormScale, Pattern, ResidMid, Scores, View, Whole

Port = Literal["in", "out", "q_rot", "k_rot", "scores", "pattern"]

RESID = ("batch", "pos", "d_model")
HEADS = ("batch", "pos", "head", "d_head")
KV_HEADS = ("batch", "pos", "kv_head", "d_head")
PATTERN = ("batch", "head", "query", "key")
RESULTS = ("batch", "pos", "head", "d_model")
MLP = ("batch", "pos", "d_mlp")


@dataclass(frozen=True)
class Point:
    """A physical place: a module's input or output, or a stage inside its attention function.

    >>> str(Point("blocks.0.attn", "out"))
    'blocks.0.attn:out'
    """

    module: str
    port: Port

    def __str__(self) -> str:
        return f"{self.module}:{self.port}"


@dataclass(frozen=True)
class SiteSpec:
    """Where a named site is, how it is unpacked there, and what it means.

    Arguments:
        name: the site's name.
        axes: the names of its axes; empty where they are told by the tensor (sites by path).
        point: where its tensor passes.
        view: from the raw tensor to the axes, and back.
        meaning: one line for the table of sites.
        block: the index of the block that it belongs to; -1 before the blocks, the number of blocks after them.
        rank: order among the sites of one point: an edit of a lower rank is seen by those of a higher one.
    """

    name: str
    axes: tuple[str, ...]
    point: Point
    view: View
    meaning: str
    block: int
    rank: int = 0


@dataclass(frozen=True)
class Architecture:
    """A network's shape and its sites.

    Arguments:
        family: the family's name.
        law: how a block updates the residual stream: "pre" adds attention's output to it, then the MLP's, each of which read it through a norm.
        sites: the vocabulary, in the order of the computation.
        unavailable: name of a site (without its block) to the reason why this family has none.
        blocks: the path of the list of blocks; empty for networks without a known stack.
        final_norm, unembed: paths of the final norm and the unembedding.
        kernel: how attention is computed and recorded.
        call: what every forward is called with, such as `use_cache=False`.
        settings: what else decides what the weights compute, such as the activation: part of the model's hash.
        n_layers, n_heads, n_kv_heads, d_model, d_head, d_mlp, n_ctx, d_vocab: sizes; 0 where there is none.
    """

    family: str
    law: Literal["pre", "none"]
    sites: Mapping[str, SiteSpec]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    blocks: str = ""
    embed: str = ""
    final_norm: str = ""
    unembed: str = ""
    kernel: Kernel | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    n_layers: int = 0
    n_heads: int = 0
    n_kv_heads: int = 0
    d_model: int = 0
    d_head: int = 0
    d_mlp: int = 0
    n_ctx: int = 0
    d_vocab: int = 0

    def why_not(self, name: str) -> str | None:
        """Why the family has no site of this name or glob; `None` where the name means nothing."""
        reason = self.unavailable.get(_unindexed(name))
        return None if reason is None else f"{name!r} does not exist in this {self.family} model: {reason}"


@dataclass(frozen=True)
class Sizes:
    """The sizes of a decoder, from its configuration."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    n_ctx: int
    d_vocab: int


@dataclass(frozen=True)
class Parts:
    """The module paths of a pre-norm decoder: whole paths for the first group, relative to a block for the rest.

    A fused projection names the same module for q, k and v; `fused` says so. `up` is the MLP's linear branch, `gate` the branch that goes
    through the activation in a gated MLP. An empty path says that the family has no such part.
    """

    embed: str
    blocks: str
    final_norm: str
    unembed: str
    attn: str
    attn_norm: str
    q: str
    k: str
    v: str
    o: str
    mlp: str
    mlp_norm: str
    up: str
    down: str
    pos_embed: str = ""
    gate: str = ""
    fused: bool = False
    transposed: bool = False
    rotary: bool = False


def decoder(family: str, module: nn.Module, parts: Parts, sizes: Sizes, kernel: Kernel, settings: Mapping[str, Any]) -> Architecture:
    """The vocabulary of a pre-norm decoder: mid = pre + attn.out, post = mid + mlp.out."""
    kv_axes = HEADS if sizes.n_kv_heads == sizes.n_heads else KV_HEADS
    specs: list[SiteSpec] = []
    missing: dict[str, str] = {}

    def site(name: str, axes: tuple[str, ...], path: str, port: Port, meaning: str, view: View = Whole(), block: int = -1, rank: int = 0) -> None:
        specs.append(SiteSpec(name, axes, Point(path, port), view, meaning, block, rank))

    def scale(name: str, path: str, block: int) -> None:
        norm = module.get_submodule(path)
        if isinstance(norm, nn.Identity):
            missing[_unindexed(name)] = "this model has no norm there"
        elif not isinstance(norm, nn.LayerNorm) and not type(norm).__name__.endswith("RMSNorm"):
            missing[_unindexed(name)] = f"its norm is a {type(norm).__name__}, of which sonde does not know by what it divides; use {path + ':out'!r}"
        else:
            site(name, ("batch", "pos"), path, "out", "what the norm divides its input by", NormScale(), block)

    site("embed", RESID, parts.embed, "out", "token embeddings")
    if parts.pos_embed:
        site("pos_embed", RESID, parts.pos_embed, "out", "position embeddings", Broadcast())
    else:
        missing["pos_embed"] = (
            "positions enter by rotation of queries and keys; use 'attn.q_rot' and 'attn.k_rot'" if parts.rotary else "this model has none"
        )
    q_width, kv_width = sizes.n_heads * sizes.d_head, sizes.n_kv_heads * sizes.d_head
    starts = (0, q_width, q_width + kv_width) if parts.fused else (0, 0, 0)
    for i in range(sizes.n_layers):
        b, path = f"blocks.{i}", f"{parts.blocks}.{i}"
        attn, out = f"{path}.{parts.attn}", f"{path}.{parts.o}"
        site(f"{b}.resid_pre", RESID, path, "in", "residual stream entering the block", block=i)
        scale(f"{b}.attn.norm.scale", f"{path}.{parts.attn_norm}", i)
        site(f"{b}.attn.in", RESID, attn, "in", "attention's input, after its norm", block=i)
        site(f"{b}.attn.q", HEADS, f"{path}.{parts.q}", "out", "queries, before any rotation", Heads(sizes.n_heads, sizes.d_head, starts[0]), i)
        site(f"{b}.attn.k", kv_axes, f"{path}.{parts.k}", "out", "keys, before any rotation", Heads(sizes.n_kv_heads, sizes.d_head, starts[1]), i)
        site(f"{b}.attn.v", kv_axes, f"{path}.{parts.v}", "out", "values", Heads(sizes.n_kv_heads, sizes.d_head, starts[2]), i)
        site(f"{b}.attn.q_rot", HEADS, attn, "q_rot", "queries as attention compares them, rotated where the family rotates", HeadFirst(), i)
        site(f"{b}.attn.k_rot", kv_axes, attn, "k_rot", "keys as attention compares them, rotated where the family rotates", HeadFirst(), i)
        site(f"{b}.attn.scores", PATTERN, attn, "scores", "the softmax's input, scaled; what the mask hides stays hidden", Scores(), i)
        site(f"{b}.attn.pattern", PATTERN, attn, "pattern", "attention probabilities", Pattern(), i)
        site(f"{b}.attn.z", HEADS, out, "in", "each head's mixed values", Heads(sizes.n_heads, sizes.d_head), i)
        projection = module.get_submodule(out)
        if _plain_map(projection, q_width, sizes.d_model, parts.transposed):
            results = HeadResults(sizes.n_heads, sizes.d_head, parts.transposed)
            site(f"{b}.attn.result", RESULTS, out, "out", "what each head adds to the residual stream, computed on reading", results, i)
        else:
            missing["attn.result"] = (
                f"the output projection is a {type(projection).__name__}, no plain linear map (merge an adapter first); use 'attn.z'"
            )
        site(f"{b}.attn.out", RESID, attn, "out", "what attention adds to the residual stream", block=i)
        site(f"{b}.resid_mid", RESID, attn, "out", "residual stream between attention and MLP", ResidMid(), i, rank=1)
        if parts.mlp:
            scale(f"{b}.mlp.norm.scale", f"{path}.{parts.mlp_norm}", i)
            site(f"{b}.mlp.in", RESID, f"{path}.{parts.mlp}", "in", "the MLP's input, after its norm", block=i)
            up = "linear branch, which the activated gate multiplies" if parts.gate else "up-projection: the activation's input"
            site(f"{b}.mlp.pre", MLP, f"{path}.{parts.up}", "out", up, block=i)
            if parts.gate:
                site(f"{b}.mlp.gate", MLP, f"{path}.{parts.gate}", "out", "gate branch, before the activation", block=i)
            site(f"{b}.mlp.post", MLP, f"{path}.{parts.down}", "in", "neurons: the down-projection's input", block=i)
            site(f"{b}.mlp.out", RESID, f"{path}.{parts.mlp}", "out", "what the MLP adds to the residual stream", block=i)
        site(f"{b}.resid_post", RESID, path, "out", "residual stream leaving the block", block=i)
    if not parts.mlp:
        for name in ("mlp.norm.scale", "mlp.in", "mlp.pre", "mlp.post", "mlp.out"):
            missing[name] = "this model has no MLPs"
    if not parts.gate:
        missing["mlp.gate"] = "the MLP of this model is not gated; use 'mlp.pre' and 'mlp.post'"
    scale("final_norm.scale", parts.final_norm, sizes.n_layers)
    site("final_norm", RESID, parts.final_norm, "out", "the final norm's output, which the unembedding reads", block=sizes.n_layers, rank=1)
    if parts.unembed:
        site("logits", ("batch", "pos", "vocab"), "", "out", "the model's output", block=sizes.n_layers)
    else:
        missing["logits"] = "this module has no unembedding; load the language model around it"
    return Architecture(
        family=family, law="pre", sites={s.name: s for s in specs}, unavailable=missing, blocks=parts.blocks, embed=parts.embed,
        final_norm=parts.final_norm, unembed=parts.unembed, kernel=kernel, call=kernel.call, settings=settings,
        **vars(sizes),
    )  # fmt: skip


def _plain_map(projection: nn.Module, d_in: int, d_out: int, transposed: bool) -> bool:
    """Whether the output is the input times the module's own weight (not so for adapters and quantised weights)."""
    weight = getattr(projection, "weight", None)
    shape = (d_in, d_out) if transposed else (d_out, d_in)
    known = isinstance(projection, nn.Linear) or type(projection).__name__ == "Conv1D"
    return known and isinstance(weight, Tensor) and weight.is_floating_point() and weight.shape == shape


def _unindexed(name: str) -> str:
    """A site's name without its block: `blocks.3.mlp.gate` and `blocks.*.mlp.gate` are `mlp.gate`."""
    return re.sub(r"^blocks\.[^.]+\.", "", name)
