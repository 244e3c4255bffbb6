"""What can be told of a model's parts from their weights and from text that means nothing."""

from sonde.weights.attention_only import AttentionOnly, SmallConfig, attention_only
from sonde.weights.bigrams import bigrams
from sonde.weights.composition import composition
from sonde.weights.composition_results import Composition
from sonde.weights.copying import CopyingScores, copying_scores
from sonde.weights.effects import head_effects
from sonde.weights.effects_results import HeadEffects
from sonde.weights.heads import head_scores
from sonde.weights.labelling import label_heads
from sonde.weights.labels import HeadLabels, Label
from sonde.weights.last_digits import LastDigits, last_digits
from sonde.weights.linear import LinearMap
from sonde.weights.maps import embedding, mlp, ov, qk, unembedding
from sonde.weights.path_results import PathImportance, Paths
from sonde.weights.paths import path_importance, paths
from sonde.weights.repeating import repeats_by
from sonde.weights.results import HeadScores, Role
from sonde.weights.tables import Bigrams
from sonde.weights.trigram_results import SkipTrigrams
from sonde.weights.trigrams import skip_trigrams

__all__ = [
    "AttentionOnly",
    "Bigrams",
    "Composition",
    "CopyingScores",
    "HeadEffects",
    "HeadLabels",
    "HeadScores",
    "Label",
    "LastDigits",
    "LinearMap",
    "PathImportance",
    "Paths",
    "Role",
    "SkipTrigrams",
    "SmallConfig",
    "attention_only",
    "bigrams",
    "composition",
    "copying_scores",
    "embedding",
    "head_effects",
    "head_scores",
    "label_heads",
    "last_digits",
    "mlp",
    "ov",
    "path_importance",
    "paths",
    "qk",
    "repeats_by",
    "skip_trigrams",
    "unembedding",
]
