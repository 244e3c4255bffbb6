"""Llama and its heirs: pre-norm with RMSNorm, rotary positions, gated MLP, keys and values shared by groups of query heads.

Mistral slides its attention window, Qwen2 has biases on q, k and v, Qwen3 norms queries and keys: all in the family's own code.
"""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.parts import ROTATION, Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("llama", "ministral", "mistral", "qwen2", "qwen3", "seed_oss", "smollm3")
DECIDING = ("hidden_act", "hidden_activation", "rms_norm_eps", "rope_parameters", "sliding_window", "layer_types")


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    return transformer(
        config.model_type, "pre", module, llama_parts(module, attn_norm="input_layernorm", mlp_norm="post_attention_layernorm"),
        llama_sizes(config), TransformersKernel(), settings(config, *DECIDING),
    )  # fmt: skip


def llama_parts(module: Any, **others: Any) -> Parts:
    """The parts as Llama names them; `others` as `Parts`."""
    at = root(module, "embed_tokens", "layers")
    names: dict[str, Any] = {
        "embed": f"{at}embed_tokens", "blocks": f"{at}layers", "final_norm": f"{at}norm",
        "unembed": unembedding(module), "no_pos_embed": ROTATION,
        "attn": "self_attn", "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
        "mlp": "mlp", "up": "mlp.up_proj", "gate": "mlp.gate_proj", "down": "mlp.down_proj",
        "qk_norm": "q_norm" in module.get_submodule(f"{at}layers.0.self_attn")._modules,
    }  # fmt: skip
    return Parts(**(names | others))


def llama_sizes(config: Any) -> Sizes:
    """The sizes as Llama's configuration names them."""
    return Sizes(
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, n_kv_heads=config.num_key_value_heads, d_model=config.hidden_size,
        d_head=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads, d_mlp=config.intermediate_size,
        n_ctx=config.max_position_embeddings, d_vocab=config.vocab_size,
    )  # fmt: skip
