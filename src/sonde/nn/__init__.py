"""Our own small networks and the loop that trains them."""

from sonde.nn.broken import filters_permuted, permuted, reinitialised
from sonde.nn.convnet import ConvBlock, ConvNet, ConvNetConfig
from sonde.nn.solu import NormedSoLU, SoLU
from sonde.nn.transformer import MLP, Attention, Block, Transformer, TransformerConfig, eager_attention_forward, sdpa_attention_forward

NETWORKS: dict[str, type[Transformer] | type[ConvNet]] = {TransformerConfig.model_type: Transformer, ConvNetConfig.model_type: ConvNet}
"""What `config.json` of a folder calls a network of ours, and the class that opens it."""

__all__ = [
    "MLP",
    "NETWORKS",
    "Attention",
    "Block",
    "ConvBlock",
    "ConvNet",
    "ConvNetConfig",
    "NormedSoLU",
    "SoLU",
    "Transformer",
    "TransformerConfig",
    "eager_attention_forward",
    "filters_permuted",
    "permuted",
    "reinitialised",
    "sdpa_attention_forward",
]
