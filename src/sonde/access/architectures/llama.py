"""Llama: pre-norm with RMSNorm, rotary positions, gated MLP, and keys and values shared by groups of query heads."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, Parts, Sizes, decoder
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("llama",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    root = "model." if hasattr(module, "model") else ""
    parts = Parts(
        embed=f"{root}embed_tokens", blocks=f"{root}layers", final_norm=f"{root}norm", unembed="lm_head" if hasattr(module, "lm_head") else "",
        attn="self_attn", attn_norm="input_layernorm", q="self_attn.q_proj", k="self_attn.k_proj", v="self_attn.v_proj", o="self_attn.o_proj",
        mlp="mlp", mlp_norm="post_attention_layernorm", up="mlp.up_proj", gate="mlp.gate_proj", down="mlp.down_proj", rotary=True,
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, n_kv_heads=config.num_key_value_heads, d_model=config.hidden_size,
        d_head=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads, d_mlp=config.intermediate_size,
        n_ctx=config.max_position_embeddings, d_vocab=config.vocab_size,
    )  # fmt: skip
    names = ("hidden_act", "rms_norm_eps", "rope_parameters")
    return decoder("llama", module, parts, sizes, TransformersKernel(), {name: getattr(config, name) for name in names})
