"""GPT-NeoX and Pythia: attention and MLP side by side, each behind its own norm (or one after the other); q, k and v lie together in each head."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, Law
from sonde.access.architectures.parts import ROTATION, Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("gpt_neox",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    at = root(module, "embed_in")
    qkv = "attention.query_key_value"
    parts = Parts(
        embed=f"{at}embed_in", blocks=f"{at}layers", final_norm=f"{at}final_layer_norm", no_pos_embed=ROTATION,
        unembed=unembedding(module),
        attn="attention", attn_norm="input_layernorm", q=qkv, k=qkv, v=qkv, o="attention.dense", packing="grouped",
        mlp="mlp", mlp_norm="post_attention_layernorm", up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h",
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, n_kv_heads=config.num_attention_heads, d_model=config.hidden_size,
        d_head=config.hidden_size // config.num_attention_heads, d_mlp=config.intermediate_size, n_ctx=config.max_position_embeddings,
        d_vocab=config.vocab_size,
    )  # fmt: skip
    law: Law = "parallel" if config.use_parallel_residual else "pre"
    deciding = settings(config, "hidden_act", "layer_norm_eps", "rope_parameters", "use_parallel_residual")
    return transformer("gpt_neox", law, module, parts, sizes, TransformersKernel(), deciding)
