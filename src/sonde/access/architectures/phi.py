"""Phi: attention and MLP side by side behind one norm, positions rotated in a part of each head."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.llama import DECIDING, llama_parts, llama_sizes
from sonde.access.architectures.parts import root, settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("phi",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    final_norm = root(module, "final_layernorm") + "final_layernorm"
    parts = llama_parts(
        module, final_norm=final_norm, attn_norm="input_layernorm", o="self_attn.dense", qk_norm=config.qk_layernorm,
        up="mlp.fc1", gate="", down="mlp.fc2",
    )  # fmt: skip
    deciding = settings(config, *DECIDING, "layer_norm_eps", "qk_layernorm")
    return transformer("phi", "parallel", module, parts, llama_sizes(config), TransformersKernel(), deciding)
