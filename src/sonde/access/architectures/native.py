"""`sonde.nn.Transformer`, our own decoder: plain, gated or attention-only, with learned or rotary positions."""

from dataclasses import asdict
from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.parts import ROTATION, Parts, Sizes
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import NativeKernel

MODEL_TYPES = ("sonde-transformer",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    parts = Parts(
        embed="embed", pos_embed="pos_embed" if config.positional == "learned" else "", blocks="blocks", final_norm="final_norm", unembed="unembed",
        attn="attn", attn_norm="attn_norm", q="attn.q", k="attn.k", v="attn.v", o="attn.o",
        mlp="mlp", mlp_norm="mlp_norm", up="mlp.up", gate="mlp.gate" if config.gated else "", down="mlp.down" if config.d_mlp else "",
        no_pos_embed=ROTATION if config.positional == "rotary" else Parts.no_pos_embed,
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.n_layers, n_heads=config.n_heads, n_kv_heads=config.n_kv_heads or config.n_heads, d_model=config.d_model,
        d_head=config.d_head or config.d_model // config.n_heads, d_mlp=config.d_mlp, n_ctx=config.n_ctx, d_vocab=config.d_vocab,
    )  # fmt: skip
    return transformer("sonde", "pre", module, parts, sizes, NativeKernel(), asdict(config))
