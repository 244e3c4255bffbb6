"""BLOOM: pre-norm, a norm after the embeddings, positions as a bias on the scores (ALiBi); q, k and v lie together in each head.

Its attention and MLP modules return the residual stream with their part already added, so what they add is read at their projections.
"""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, refused
from sonde.access.architectures.parts import ALIBI, Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import WatchedKernel

MODEL_TYPES = ("bloom",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    if config.apply_residual_connection_post_layernorm or (config.slow_but_exact and config.pretraining_tp > 1):
        setting = "apply_residual_connection_post_layernorm" if config.apply_residual_connection_post_layernorm else "slow_but_exact"
        return refused("bloom", f"with {setting} its blocks compute what no residual law of sonde's describes")
    at = root(module, "word_embeddings")
    qkv = "self_attention.query_key_value"
    parts = Parts(
        embed=f"{at}word_embeddings", embed_norm=f"{at}word_embeddings_layernorm", blocks=f"{at}h", final_norm=f"{at}ln_f",
        unembed=unembedding(module), no_pos_embed=ALIBI,
        attn="self_attention", attn_norm="input_layernorm", q=qkv, k=qkv, v=qkv, o="self_attention.dense", attn_out="self_attention.dense",
        packing="grouped", mlp="mlp", mlp_out="mlp.dense_4h_to_h", mlp_norm="post_attention_layernorm", up="mlp.dense_h_to_4h",
        down="mlp.dense_4h_to_h",
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.n_layer, n_heads=config.n_head, n_kv_heads=config.n_head, d_model=config.hidden_size,
        d_head=config.hidden_size // config.n_head, d_mlp=4 * config.hidden_size, n_ctx=0, d_vocab=config.vocab_size,
    )  # fmt: skip
    kernel = WatchedKernel(tuple(f"{at}h.{i}.self_attention" for i in range(config.n_layer)))
    return transformer("bloom", "pre", module, parts, sizes, kernel, settings(config, "layer_norm_epsilon"))
