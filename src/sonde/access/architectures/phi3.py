"""Phi-3: a Llama whose q, k and v lie in one projection, and gate and up in another."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.llama import DECIDING, llama_parts, llama_sizes
from sonde.access.architectures.parts import settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("phi3",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    qkv, gate_up = "self_attn.qkv_proj", "mlp.gate_up_proj"
    parts = llama_parts(
        module, attn_norm="input_layernorm", mlp_norm="post_attention_layernorm", q=qkv, k=qkv, v=qkv, packing="fused", gate=gate_up, up=gate_up
    )
    return transformer("phi3", "pre", module, parts, llama_sizes(config), TransformersKernel(), settings(config, *DECIDING))
