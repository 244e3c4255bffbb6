"""Our own small networks and the loop that trains them."""

from sonde.nn.broken import permuted, reinitialised
from sonde.nn.transformer import MLP, Attention, Block, Transformer, TransformerConfig, eager_attention_forward, sdpa_attention_forward

__all__ = [
    "MLP",
    "Attention",
    "Block",
    "Transformer",
    "TransformerConfig",
    "eager_attention_forward",
    "permuted",
    "reinitialised",
    "sdpa_attention_forward",
]
