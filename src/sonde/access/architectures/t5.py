"""T5's encoder: pre-norm with RMSNorm, and positions as a learned bias on the scores, which the first block computes for all of them."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, refused
from sonde.access.architectures.parts import Parts, Sizes, settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import EncoderKernel

MODEL_TYPES = ("t5",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    if not any(cls.__name__ == "T5EncoderModel" for cls in type(module).__mro__):
        return refused("t5", "sonde has names for T5's encoder alone: load T5EncoderModel.from_pretrained(...) for them")
    gated = config.is_gated_act
    parts = Parts(
        embed="encoder.embed_tokens", blocks="encoder.block", final_norm="encoder.final_layer_norm",
        attn="layer.0.SelfAttention", attn_norm="layer.0.layer_norm", q="layer.0.SelfAttention.q", k="layer.0.SelfAttention.k",
        v="layer.0.SelfAttention.v", o="layer.0.SelfAttention.o",
        mlp="layer.1.DenseReluDense", mlp_norm="layer.1.layer_norm", gate="layer.1.DenseReluDense.wi_0" if gated else "",
        up="layer.1.DenseReluDense.wi_1" if gated else "layer.1.DenseReluDense.wi", down="layer.1.DenseReluDense.wo",
        no_pos_embed="positions enter as a learned bias on the scores; use 'attn.scores'",
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.num_layers, n_heads=config.num_heads, n_kv_heads=config.num_heads, d_model=config.d_model, d_head=config.d_kv,
        d_mlp=config.d_ff, n_ctx=0, d_vocab=config.vocab_size,
    )  # fmt: skip
    deciding = settings(config, "feed_forward_proj", "layer_norm_epsilon", "relative_attention_num_buckets", "relative_attention_max_distance")
    return transformer("t5", "pre", module, parts, sizes, EncoderKernel(), deciding, causal=False)
