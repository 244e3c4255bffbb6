"""GPT-J: attention and MLP side by side behind one norm, positions rotated in a part of each head."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.parts import Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import WatchedKernel

MODEL_TYPES = ("gptj",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    at = root(module, "wte")
    parts = Parts(
        embed=f"{at}wte", blocks=f"{at}h", final_norm=f"{at}ln_f", unembed=unembedding(module),
        no_pos_embed="positions enter by rotation of queries and keys",
        attn="attn", attn_norm="ln_1", q="attn.q_proj", k="attn.k_proj", v="attn.v_proj", o="attn.out_proj",
        mlp="mlp", up="mlp.fc_in", down="mlp.fc_out",
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.n_layer, n_heads=config.n_head, n_kv_heads=config.n_head, d_model=config.n_embd, d_head=config.n_embd // config.n_head,
        d_mlp=config.n_inner or 4 * config.n_embd, n_ctx=config.n_positions, d_vocab=config.vocab_size,
    )  # fmt: skip
    kernel = WatchedKernel(tuple(f"{at}h.{i}.attn" for i in range(config.n_layer)))
    deciding = settings(config, "activation_function", "layer_norm_epsilon", "rotary_dim")
    return transformer("gptj", "parallel", module, parts, sizes, kernel, deciding)
