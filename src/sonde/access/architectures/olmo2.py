"""OLMo 2: attention and MLP read the residual stream itself, and what they add goes through a norm (the sandwich's upper half)."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.llama import DECIDING, llama_parts, llama_sizes
from sonde.access.architectures.parts import settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("olmo2", "olmo3")


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    parts = llama_parts(module, attn_out="post_attention_layernorm", mlp_out="post_feedforward_layernorm")
    return transformer(config.model_type, "sandwich", module, parts, llama_sizes(config), TransformersKernel(), settings(config, *DECIDING))
