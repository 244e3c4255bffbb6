"""GPT-2: pre-norm, learned positions, q, k and v in one fused projection whose weights lie as (in, out)."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.parts import Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("gpt2",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    at = root(module, "wte")
    parts = Parts(
        embed=f"{at}wte", pos_embed=f"{at}wpe", blocks=f"{at}h", final_norm=f"{at}ln_f",
        unembed=unembedding(module),
        attn="attn", attn_norm="ln_1", q="attn.c_attn", k="attn.c_attn", v="attn.c_attn", o="attn.c_proj", packing="fused",
        mlp="mlp", mlp_norm="ln_2", up="mlp.c_fc", down="mlp.c_proj",
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.n_layer, n_heads=config.n_head, n_kv_heads=config.n_head, d_model=config.n_embd, d_head=config.n_embd // config.n_head,
        d_mlp=config.n_inner or 4 * config.n_embd, n_ctx=config.n_positions, d_vocab=config.vocab_size,
    )  # fmt: skip
    deciding = settings(config, "activation_function", "layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx")
    return transformer("gpt2", "pre", module, parts, sizes, TransformersKernel(), deciding)
