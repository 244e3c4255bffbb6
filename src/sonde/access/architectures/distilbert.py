"""DistilBERT: a post-norm encoder without segments."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, refused
from sonde.access.architectures.heads import text_head
from sonde.access.architectures.parts import Parts, Sizes, settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import EncoderKernel

MODEL_TYPES = ("distilbert",)
MASKED_HEAD = {"final": ("vocab_transform", "activation", "vocab_layer_norm"), "final_norm": "vocab_layer_norm", "unembed": "vocab_projector"}


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    head = text_head(module, MASKED_HEAD)
    if head is None:
        return refused("distilbert", f"sonde does not know the head of {type(module).__name__}")
    root = "distilbert." if hasattr(module, "distilbert") else ""
    parts = Parts(
        embed=f"{root}embeddings.word_embeddings", pos_embed=f"{root}embeddings.position_embeddings", embed_norm=f"{root}embeddings.LayerNorm",
        blocks=f"{root}transformer.layer",
        attn="attention", q="attention.q_lin", k="attention.k_lin", v="attention.v_lin", o="attention.out_lin", attn_norm="sa_layer_norm",
        mlp="ffn", up="ffn.lin1", down="ffn.lin2", mlp_norm="output_layer_norm", **head,
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.n_layers, n_heads=config.n_heads, n_kv_heads=config.n_heads, d_model=config.dim, d_head=config.dim // config.n_heads,
        d_mlp=config.hidden_dim, n_ctx=config.max_position_embeddings, d_vocab=config.vocab_size,
    )  # fmt: skip
    return transformer("distilbert", "post", module, parts, sizes, EncoderKernel(), settings(config, "activation"), causal=False)
