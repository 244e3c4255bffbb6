"""The vocabulary of sites of a transformer, from the paths of its parts and its residual law."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from sonde.access.architectures.base import Architecture, Images, Law, Point, Port, SiteSpec, unindexed
from sonde.access.architectures.parts import Parts, Sizes
from sonde.access.kernels import Kernel
from sonde.access.modes import is_plain
from sonde.access.views import Broadcast, Folded, HeadFirst, HeadResults, Heads, NormScale, Part, Patches, Pattern, ResidMid, Scores, View, Whole

RESID = ("batch", "pos", "d_model")
HEADS = ("batch", "pos", "head", "d_head")
KV_HEADS = ("batch", "pos", "kv_head", "d_head")
PATTERN = ("batch", "head", "query", "key")
RESULTS = ("batch", "pos", "head", "d_model")
MLP = ("batch", "pos", "d_mlp")
NORM = ("batch", "pos")
PATCHES = ("batch", "patch", "d_model")
LOGITS = ("batch", "pos", "vocab")
CLASSES = ("batch", "class")


def transformer(
    family: str, law: Law, module: nn.Module, parts: Parts, sizes: Sizes, kernel: Kernel, settings: Mapping[str, Any], prefix: str = "",
    causal: bool = True, softcap: float = 0.0, logit_scale: float = 1.0, logits: tuple[str, ...] = LOGITS, images: Images | None = None,
    fills_rows: bool = False,
) -> Architecture:  # fmt: skip
    """The architecture of one stack of blocks.

    Arguments:
        family: its name.
        law: how a block updates the residual stream.
        module: the user's.
        parts, sizes: where things are, and how large.
        kernel: how attention is computed and recorded.
        settings: what else decides what the weights compute.
        prefix: what the names of its sites begin with, such as "text." in a network of two towers.
        causal: whether a position sees only itself and what comes before it.
        softcap, logit_scale: what happens to the logits after the unembedding.
        logits: the names of the axes of the model's output.
        images: the images that it takes.
        fills_rows: whether texts are filled up to the whole context.
    """
    collected = _Sites(law, module, parts, sizes, kernel, prefix)
    collected.before()
    for i in range(sizes.n_layers):
        collected.block(i)
    collected.after(logits)
    final = ((parts.final_norm,) if parts.final_norm else ()) if parts.final is None else parts.final
    return Architecture(
        family=family, law=law, sites={s.name: s for s in collected.specs}, unavailable=collected.missing, prefix=prefix, blocks=parts.blocks,
        embed=parts.table or parts.embed, embed_norm=parts.embed_norm, attn_norm=parts.attn_norm,
        mlp_norm=parts.mlp_norm or (parts.attn_norm if law == "parallel" else ""), final=final, unembed=parts.unembed, softcap=softcap,
        logit_scale=logit_scale, causal=causal, images=images, specials=len(parts.specials), fills_rows=fills_rows, kernel=kernel,
        call=kernel.call, settings=settings, **vars(sizes),
    )  # fmt: skip


@dataclass
class _Sites:
    """The sites of a stack as they are collected, in the order of the computation, and what it has not."""

    law: Law
    module: nn.Module
    parts: Parts
    sizes: Sizes
    kernel: Kernel
    prefix: str
    specs: list[SiteSpec] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, reason in self.parts.reasons.items():
            self.lack(name, reason)

    # one site

    def site(
        self, name: str, axes: tuple[str, ...], path: str, port: Port, meaning: str, view: View | None = None, block: int = -1, rank: int = 0,
        seen: Point | None = None,
    ) -> None:  # fmt: skip
        name = self.prefix + name
        if unindexed(name) not in self.missing:
            place, images = Point(path, port), bool(self.parts.patches)
            self.specs.append(SiteSpec(name, axes, place, view or Whole(), meaning, block, rank, of_tokens=not images, seen=seen))

    def lack(self, name: str, reason: str) -> None:
        self.missing.setdefault(self.prefix + name, reason)

    def scale(self, name: str, path: str, block: int, folded: str = "") -> None:
        """The scale of the norm at a path; `folded` is the path of the block in which it sees all rows' positions one after the other."""
        norm, kind = self.module.get_submodule(path), unindexed(name)
        if isinstance(norm, nn.Identity):
            self.lack(kind, "this model has no norm there")
        elif not isinstance(norm, nn.LayerNorm) and not type(norm).__name__.endswith(("RMSNorm", "T5LayerNorm")):
            self.lack(kind, f"its norm is a {type(norm).__name__}, of which sonde does not know by what it divides; use {path + ':out'!r}")
        else:
            view: View = NormScale(self.parts.norm_offset)
            self.site(name, NORM, path, "out", "what the norm divides its input by", Folded(view, folded) if folded else view, block)

    # the three parts of a stack

    def before(self) -> None:
        parts = self.parts
        if parts.patches:
            view = Patches() if parts.patches == "map" else Whole()
            self.site("embed", PATCHES, parts.embed, "out", "patch embeddings, row by row, without any special token", view)
        elif parts.embed:
            self.site("embed", RESID, parts.embed, "out", "token embeddings")
        if parts.pos_embed:
            self.site("pos_embed", RESID, parts.pos_embed, "out", "position embeddings", Broadcast())
        else:
            self.lack("pos_embed", parts.no_pos_embed)
        if parts.type_embed:
            self.site("type_embed", RESID, parts.type_embed, "out", "embeddings of the segment that a token belongs to", Broadcast())
        else:
            self.lack("type_embed", "this model tells no segments apart")
        if parts.embed_norm:
            self.scale("embed.norm.scale", parts.embed_norm, -1)
        else:
            self.lack("embed.norm.scale", "the embeddings go through no norm in this model")

    def block(self, i: int) -> None:
        parts, b, path = self.parts, f"blocks.{i}.", f"{self.parts.blocks}.{i}"
        self.site(f"{b}resid_pre", RESID, path, "in", f"residual stream entering the block{self._positions}", block=i)
        if parts.attn_norm and self.law != "post":
            self.scale(f"{b}attn.norm.scale", f"{path}.{parts.attn_norm}", i)
        elif not parts.attn_norm:
            self.lack("attn.norm.scale", "attention reads the residual stream itself in this model")
        self._attention(b, path, i)
        self._middle(b, path, i)
        if parts.down:
            self._mlp(b, path, i)
        else:
            for name in ("mlp.norm.scale", "mlp.in", "mlp.pre", "mlp.post", "mlp.out"):
                self.lack(name, "this model has no MLPs")
        if not parts.gate:
            self.lack("mlp.gate", "the MLP of this model is not gated; use 'mlp.pre' and 'mlp.post'")
        if self.law != "sandwich":
            for name in ("attn.post_norm.scale", "mlp.post_norm.scale"):
                self.lack(name, "what is added to the residual stream goes through no norm of its own in this model")
        self.site(f"{b}resid_post", RESID, path, "out", "residual stream leaving the block", block=i)

    def after(self, logits: tuple[str, ...]) -> None:
        parts, last = self.parts, self.sizes.n_layers
        if parts.final_norm:
            self.scale("final_norm.scale", parts.final_norm, last)
            read = ", which the unembedding reads" if not parts.final or parts.final[-1] == parts.final_norm else ""
            self.site("final_norm", RESID, parts.final_norm, "out", f"the final norm's output{read}", block=last, rank=1)
        else:
            for name in ("final_norm.scale", "final_norm"):
                self.lack(name, f"this model has no norm after its blocks; use 'blocks.{last - 1}.resid_post'")
        if parts.unembed:
            self.site("logits", logits, "", "out", "the model's output", block=last)
        elif parts.head:
            self.site("logits", CLASSES, "", "out", "the model's output: a score for each class", block=last)
        else:
            self.lack("logits", "this module has no unembedding; load the language model around it")

    # inside a block

    def _attention(self, b: str, path: str, i: int) -> None:
        parts, sizes = self.parts, self.sizes
        attn, o = f"{path}.{parts.attn}", f"{path}.{parts.o}"
        kv_axes = HEADS if sizes.n_kv_heads == sizes.n_heads else KV_HEADS
        self.site(
            f"{b}attn.in", RESID, attn, "in", "what attention reads" + ("" if self.law == "post" else ", after its norm, if it has one"), block=i
        )
        before = "before their norm and any rotation" if parts.qk_norm else "before any rotation"
        groups = sizes.n_kv_heads if parts.packing == "grouped" else 1
        q_width, kv_width = sizes.n_heads * sizes.d_head // groups, sizes.n_kv_heads * sizes.d_head // groups
        starts = (0, 0, 0) if parts.packing == "separate" else (0, q_width, q_width + kv_width)
        heads = [Heads(n, sizes.d_head, start, groups) for n, start in zip((sizes.n_heads, sizes.n_kv_heads, sizes.n_kv_heads), starts, strict=True)]
        self.site(f"{b}attn.q", HEADS, f"{path}.{parts.q}", "out", f"queries, {before}", heads[0], i)
        self.site(f"{b}attn.k", kv_axes, f"{path}.{parts.k}", "out", f"keys, {before}", heads[1], i)
        self.site(f"{b}attn.v", kv_axes, f"{path}.{parts.v}", "out", "values", heads[2], i)
        if "q_rot" in self.kernel.ports:
            self.site(f"{b}attn.q_rot", HEADS, attn, "q_rot", "queries as attention compares them, rotated where the family rotates", HeadFirst(), i)
            self.site(f"{b}attn.k_rot", kv_axes, attn, "k_rot", "keys as attention compares them, rotated where the family rotates", HeadFirst(), i)
        else:
            for name in ("attn.q_rot", "attn.k_rot"):
                self.lack(
                    name, "this family computes attention in one function of its own, which shows no rotated queries and keys; use 'attn.scores'"
                )
        self.site(f"{b}attn.scores", PATTERN, attn, "scores", "the softmax's input, scaled; what the mask hides stays hidden", Scores(), i)
        self.site(f"{b}attn.pattern", PATTERN, attn, "pattern", "attention probabilities", Pattern(), i)
        self.site(f"{b}attn.z", HEADS, o, "in", "each head's mixed values", Heads(sizes.n_heads, sizes.d_head), i)
        self._results(b, path, o, i)
        self.site(f"{b}attn.out", RESID, self._attn_out(path), "out", "what attention adds to the residual stream", block=i, rank=1)
        if self.law == "sandwich":
            self.scale(f"{b}attn.post_norm.scale", self._attn_out(path), i)

    def _results(self, b: str, path: str, o: str, i: int) -> None:
        sizes, projection = self.sizes, self.module.get_submodule(o)
        transposed = type(projection).__name__ == "Conv1D"
        after = self.module.get_submodule(self._attn_out(path))
        if not o.startswith(self._attn_out(path)):
            self.lack("attn.result", f"a {type(after).__name__} stands between the heads and the residual stream; use 'attn.z'")
        elif not _plain_map(projection, sizes.n_heads * sizes.d_head, sizes.d_model, transposed):
            self.lack(
                "attn.result", f"the output projection is a {type(projection).__name__}, no plain linear map (merge an adapter first); use 'attn.z'"
            )
        else:
            view = HeadResults(sizes.n_heads, sizes.d_head, transposed)
            self.site(f"{b}attn.result", RESULTS, o, "out", "what each head adds to the residual stream, computed on reading", view, i)

    def _middle(self, b: str, path: str, i: int) -> None:
        meaning = "residual stream between attention and MLP"
        if self.law == "parallel":
            self.lack("resid_mid", "attention and MLP both read what enters the block; use 'resid_pre', 'attn.out' or 'mlp.out'")
        elif self.law == "post":
            norm = f"{path}.{self.parts.attn_norm}"
            self.scale(f"{b}attn.norm.scale", norm, i)
            self.site(f"{b}resid_mid", RESID, norm, "out", f"{meaning}, after its norm", block=i, rank=1)
        else:
            norm = self.parts.mlp_norm if self.parts.down and not self.parts.folded else ""
            seen = Point(f"{path}.{norm}", "in") if norm else None
            self.site(f"{b}resid_mid", RESID, self._attn_out(path), "out", meaning, ResidMid(path), i, rank=2, seen=seen)

    def _mlp(self, b: str, path: str, i: int) -> None:
        parts, sizes = self.parts, self.sizes
        entrance, out = (f"{path}.{own or parts.mlp}" for own in (parts.mlp_in, parts.mlp_out))

        def site(name: str, axes: tuple[str, ...], at: str, port: Port, meaning: str, view: View | None = None, rank: int = 0) -> None:
            self.site(f"{b}mlp.{name}", axes, at, port, meaning, Folded(view or Whole(), path) if parts.folded else view, i, rank)

        if not parts.mlp_norm:
            self.lack(
                "mlp.norm.scale",
                "attention and MLP share a norm; use 'attn.norm.scale'" if self.law == "parallel" else "the MLP reads the residual stream itself",
            )
        elif self.law != "post":
            self.scale(f"{b}mlp.norm.scale", f"{path}.{parts.mlp_norm}", i, path if parts.folded else "")
        site("in", RESID, entrance, "in", f"what the MLP reads{self._normed}")
        if parts.gate == parts.up:
            gate, up = Part(0, sizes.d_mlp), Part(sizes.d_mlp, sizes.d_mlp)
        else:
            gate, up = None, None
        linear = "linear branch, which the activated gate multiplies" if parts.gate else "up-projection: the activation's input"
        site("pre", MLP, f"{path}.{parts.up}", "out", linear, up)
        if parts.gate:
            site("gate", MLP, f"{path}.{parts.gate}", "out", "gate branch, before the activation", gate)
        site("post", MLP, f"{path}.{parts.down}", "in", "neurons: the down-projection's input")
        site("out", RESID, out, "out", "what the MLP adds to the residual stream", rank=1)
        if self.law == "sandwich":
            self.scale(f"{b}mlp.post_norm.scale", out, i)
        elif self.law == "post":
            self.scale(f"{b}mlp.norm.scale", f"{path}.{parts.mlp_norm}", i)

    @property
    def _positions(self) -> str:
        """What the positions of an image are."""
        if not self.parts.patches:
            return ""
        before = [f"{kind} token" for kind in self.parts.specials]
        return f"; pos: {', '.join([*before, 'patches row by row'])}"

    @property
    def _normed(self) -> str:
        """What to say of the tensor that a branch reads."""
        return "" if self.law == "post" else ", after its norm, if it has one"

    def _attn_out(self, path: str) -> str:
        return f"{path}.{self.parts.attn_out or self.parts.attn}"


def _plain_map(projection: nn.Module, d_in: int, d_out: int, transposed: bool) -> bool:
    """Whether the output is the input times the module's own weight (not so for adapters and quantised weights)."""
    weight = getattr(projection, "weight", None)
    shape = (d_in, d_out) if transposed else (d_out, d_in)
    known = isinstance(projection, nn.Linear) or type(projection).__name__ == "Conv1D"
    return known and isinstance(weight, Tensor) and is_plain(weight) and weight.is_floating_point() and weight.shape == shape
