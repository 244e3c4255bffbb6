"""Small models of attention alone, trained in-tool on one text, with no layer, one and two: what does each depth add?"""

from sonde.weights.attention_only.results import AttentionOnly
from sonde.weights.attention_only.study import attention_only
from sonde.weights.attention_only.training import SmallConfig

__all__ = ["AttentionOnly", "SmallConfig", "attention_only"]
