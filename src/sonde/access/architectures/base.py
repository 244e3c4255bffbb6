"""What an architecture is: where the named sites of a network are, as data.

A family's file states the paths of its parts and its residual law and calls `transformer`; nothing else in sonde knows a family. Whatever a family
cannot offer is listed with the reason, so that asking for it gives an explanation and never another tensor.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from sonde.access.kernels import Kernel
from sonde.access.layouts import ANY, Layout
from sonde.access.views import View

Port = Literal["in", "out", "q_rot", "k_rot", "scores", "pattern"]

# How a block updates the residual stream. `attn.out` and `mlp.out` are what is added to it:
#   pre       mid = pre + attn.out;        post = mid + mlp.out;        each branch reads the stream through a norm
#   sandwich  the same sums;               what a branch adds has gone through a norm of its own (its input may, too)
#   parallel  post = pre + attn.out + mlp.out;  both branches read the stream that enters the block
#   post      mid = norm(pre + attn.out);  post = norm(mid + mlp.out);  each branch reads the stream itself
Law = Literal["pre", "sandwich", "parallel", "post", "none"]


@dataclass(frozen=True)
class Point:
    """A physical place: a module's input or output, or a stage inside its attention function.

    Arguments:
        module: its path.
        port: which side of it, or which stage.
        item: which of several tensors there, as in `sonde.access.outputs`; empty for the first.

    >>> str(Point("blocks.0.attn", "out")), str(Point("lstm", "out", "1.0"))
    ('blocks.0.attn:out', 'lstm:out.1.0')
    """

    module: str
    port: Port
    item: str = ""

    def __str__(self) -> str:
        return ".".join(filter(None, (f"{self.module}:{self.port}", self.item)))


@dataclass(frozen=True)
class Images:
    """The images that a network takes.

    Arguments:
        channels, rows, cols: their size.
        resizable: whether it takes other sizes, too.
    """

    channels: int
    rows: int
    cols: int
    resizable: bool = False


@dataclass(frozen=True)
class SiteSpec:
    """Where a named site is, how it is unpacked there, and what it means.

    Arguments:
        name: the site's name.
        axes: the names of its axes; empty where `layout` tells them from the tensor (sites by path).
        point: where its tensor passes.
        view: from the raw tensor to the axes, and back.
        meaning: one line for the table of sites.
        block: the index of the block that it belongs to; -1 before the blocks, the number of blocks after them.
        rank: order among the sites of one point: an edit of a lower rank is seen by those of a higher one.
        layout: how the tensors of a module outside the vocabulary lie.
        base: the site whose value the view unpacks, instead of the tensor itself; for coordinates in a basis.
        beside: the site's counterpart, coordinates or their error: by name, how it is computed; a change of the one keeps the other.
        of_tokens: whether positions there are those of the rows of tokens (if the inputs have any), and not those of an image.
        seen: where the model goes on with the site's own tensor, if that is not `point`: reads happen there and compute nothing.
        needs: other sites, passed earlier in a forward, whose values the view is computed from; for coordinates of what is read elsewhere.
    """

    name: str
    axes: tuple[str, ...]
    point: Point
    view: View
    meaning: str
    block: int
    rank: float = 0
    layout: Layout = ANY
    base: "SiteSpec | None" = None
    beside: Mapping[str, View] = field(default_factory=dict)
    of_tokens: bool = True
    seen: Point | None = None
    needs: "tuple[SiteSpec, ...]" = ()

    def axes_of(self, value: Tensor, batch: int | None) -> tuple[str, ...]:
        """The names of the axes of the site's tensor, in a forward over so many rows (where that is known)."""
        return self.axes or self.layout.names(value, self.name, batch)


@dataclass(frozen=True)
class Architecture:
    """A network's shape and its sites.

    Arguments:
        family: the family's name.
        law: how a block updates the residual stream: see `Law`.
        sites: the vocabulary, in the order of the computation.
        unavailable: name of a site (without its block) to the reason why this family has none.
        prefix: what the names of its sites begin with, such as "text." in a network of two towers.
        towers: the architectures of its towers, in a network of several; then `sites` are those of all, and there is no stack of its own.
        blocks: the path of the list of blocks; empty for networks without a known stack.
        embed: the path of the table of token embeddings.
        embed_norm: the path of the norm that the sum of the embeddings goes through before the first block; empty where there is none.
        attn_norm, mlp_norm: the norms through which attention and MLP read the stream, as paths in a block; empty where there is none. In a block
            whose branches share one they are the same.
        final: the paths of the modules between the last block and the unembedding, in turn: the final norm, a projection.
        unembed: the path of the unembedding; empty where there is none.
        softcap: the bound c of logits that the model caps smoothly, c tanh(logits / c); 0 where it does not.
        logit_scale: what the unembedding's output is multiplied by.
        causal: whether a position sees only itself and what comes before it.
        images: the images that it takes; `None` where it takes none.
        specials: how many positions stand before the patches of an image.
        fills_rows: whether texts are filled up to the whole context with padding that counts as tokens.
        rows_meet: whether the rows of a batch are compared with one another, so that no two edits may share a forward.
        kernel: how attention is computed and recorded.
        call: what every forward is called with, such as `use_cache=False`.
        settings: what else decides what the weights compute, such as the activation: part of the model's hash.
        n_layers, n_heads, n_kv_heads, d_model, d_head, d_mlp, n_ctx, d_vocab: sizes; 0 where there is none.
    """

    family: str
    law: Law
    sites: Mapping[str, SiteSpec]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    towers: tuple["Architecture", ...] = ()
    blocks: str = ""
    embed: str = ""
    embed_norm: str = ""
    attn_norm: str = ""
    mlp_norm: str = ""
    final: tuple[str, ...] = ()
    unembed: str = ""
    softcap: float = 0.0
    logit_scale: float = 1.0
    causal: bool = True
    images: Images | None = None
    specials: int = 0
    fills_rows: bool = False
    rows_meet: bool = False
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
        reason = self.unavailable.get(unindexed(name))
        return None if reason is None else f"{name!r} does not exist in this {self.family} model: {reason}"


# the names of sites, without their block
VOCABULARY = (
    "embed", "pos_embed", "type_embed", "embed.norm.scale", "resid_pre", "attn.norm.scale", "attn.in", "attn.q", "attn.k", "attn.v", "attn.q_rot",
    "attn.k_rot", "attn.scores", "attn.pattern", "attn.z", "attn.result", "attn.out", "attn.post_norm.scale", "resid_mid", "mlp.norm.scale",
    "mlp.in", "mlp.pre", "mlp.gate", "mlp.post", "mlp.out", "mlp.post_norm.scale", "resid_post", "final_norm.scale", "final_norm", "logits",
)  # fmt: skip


def refused(family: str, reason: str) -> Architecture:
    """A language model that is served by module paths alone, and why it has none of the vocabulary."""
    way_out = f"{reason}; name its modules by path instead: model.sites() lists them"
    return Architecture(family, "none", {}, unavailable=dict.fromkeys(VOCABULARY, way_out), call={"use_cache": False})


def unindexed(name: str) -> str:
    """A site's name without its block: `blocks.3.mlp.gate` and `blocks.*.mlp.gate` are `mlp.gate`, in a tower `text.mlp.gate`."""
    return re.sub(r"^(\w+\.)?blocks\.[^.]+\.", lambda found: found[1] or "", name)
