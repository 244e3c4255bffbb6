"""What a family's file states: the sizes of its transformer and the paths of its parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

ROTATION = "positions enter by rotation of queries and keys; use 'attn.q_rot' and 'attn.k_rot'"


ALIBI = "positions enter as a bias on the scores; use 'attn.scores'"


@dataclass(frozen=True)
class Sizes:
    """The sizes of a transformer, from its configuration.

    Arguments:
        n_layers: blocks.
        n_heads, n_kv_heads: heads of the queries, and of the keys and values.
        d_model, d_head, d_mlp: widths of the residual stream, of a head, of the MLP; no MLP is 0.
        n_ctx: the longest input; 0 where there is no limit.
        d_vocab: tokens; 0 where inputs are no tokens.
    """

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
    """The module paths of a transformer: whole paths for the first group, relative to a block for the rest. An empty path: no such part.

    Arguments:
        blocks: the list of blocks.
        embed, pos_embed, type_embed: what gives token (or patch) embeddings, position embeddings, and those of a token's segment.
        table: the table of token embeddings, where `embed` is another module that reads it.
        embed_norm: the norm of the sum of the embeddings.
        final_norm: the last norm.
        final: what lies between the last block and the unembedding; the final norm alone if it is not given.
        unembed: gives the logits.
        head: gives the scores of classes instead, one row of them for a whole input.
        attn: computes attention; what enters it is `attn.in`.
        q, k, v, o: the projections; a fused one is named three times.
        attn_out: gives what is added to the stream, where that is not `attn`: the output projection, a post-norm, a layer scale.
        attn_norm: in a post-norm block the norm of the sum, else the norm before attention.
        mlp: the MLP; what enters it is `mlp.in`.
        mlp_in, mlp_out: what `mlp.in` enters, and what gives what is added to the stream, where that is not `mlp`.
        mlp_norm: as `attn_norm`.
        up, gate, down: the MLP's linear branch, the branch that goes through the activation in a gated MLP, the projection back.
            `gate` and `up` may be one fused projection, the gate first.
        packing: how a fused projection holds its heads: all queries, then all keys, then all values ("fused"); or in groups, each with the queries
            of one key, that key, and its value ("grouped").
        qk_norm: queries and keys go through a norm of their own.
        folded: the MLP takes the positions of all rows one after the other, (batch pos) d_model.
        norm_offset: what norms add to their weight.
        patches: `embed` gives the patches of an image instead of tokens: in a list, or in a map of rows and columns.
        specials: what stands before the patches, position by position.
        no_pos_embed: why there are no position embeddings.
        reasons: further sites (without their block) that this family has not, and why.
    """

    blocks: str
    embed: str = ""
    pos_embed: str = ""
    type_embed: str = ""
    table: str = ""
    embed_norm: str = ""
    final_norm: str = ""
    final: tuple[str, ...] | None = None
    unembed: str = ""
    head: str = ""
    attn: str = "attn"
    q: str = ""
    k: str = ""
    v: str = ""
    o: str = ""
    attn_out: str = ""
    attn_norm: str = ""
    mlp: str = ""
    mlp_in: str = ""
    mlp_out: str = ""
    mlp_norm: str = ""
    up: str = ""
    gate: str = ""
    down: str = ""
    packing: Literal["separate", "fused", "grouped"] = "separate"
    qk_norm: bool = False
    folded: bool = False
    norm_offset: float = 0.0
    patches: Literal["", "list", "map"] = ""
    specials: tuple[str, ...] = ()
    no_pos_embed: str = "this model has none"
    reasons: Mapping[str, str] = field(default_factory=dict)


def root(module: nn.Module, *children: str) -> str:
    """The path, with its dot, of the first submodule that holds children of these names: a model may come with its head, or wrapped, or bare."""
    path = next(path for path, part in module.named_modules() if all(child in part._modules for child in children))
    return f"{path}." if path else ""


def unembedding(module: Any) -> str:
    """The path of the module that gives the logits; empty where there is none."""
    head = module.get_output_embeddings()
    return next((path for path, part in module.named_modules() if part is head), "")


def settings(config: Any, *names: str) -> dict[str, Any]:
    """Those settings of a configuration that decide what the weights compute; the ones that it does not know are left out."""
    return {name: getattr(config, name) for name in names if hasattr(config, name)}
