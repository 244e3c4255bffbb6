"""What can be told of a model's parts from their weights and from text that means nothing."""

from sonde.weights.bigrams import bigrams
from sonde.weights.effects import head_effects
from sonde.weights.effects_results import HeadEffects
from sonde.weights.heads import head_scores
from sonde.weights.labelling import label_heads
from sonde.weights.labels import HeadLabels, Label
from sonde.weights.linear import LinearMap
from sonde.weights.maps import embedding, mlp, ov, qk, unembedding
from sonde.weights.repeating import repeats_by
from sonde.weights.results import HeadScores, Role
from sonde.weights.tables import Bigrams

__all__ = [
    "Bigrams",
    "HeadEffects",
    "HeadLabels",
    "HeadScores",
    "Label",
    "LinearMap",
    "Role",
    "bigrams",
    "embedding",
    "head_effects",
    "head_scores",
    "label_heads",
    "mlp",
    "ov",
    "qk",
    "repeats_by",
    "unembedding",
]
