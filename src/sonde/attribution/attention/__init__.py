"""Attention as explanation: do a network's attention weights say which words mattered? A laboratory for classifiers that are trained here."""

from sonde.attribution.attention.adversarial import AttentionAdversary, adversarial
from sonde.attribution.attention.classifier import AttentionClassifier, AttentionConfig
from sonde.attribution.attention.correlation import AttentionCorrelation, correlation
from sonde.attribution.attention.frozen import AttentionFrozen, frozen
from sonde.attribution.attention.generated import keyword_texts, marker_texts, stories
from sonde.attribution.attention.guided import AttentionGuides, guided
from sonde.attribution.attention.heads import AttentionHeads, heads
from sonde.attribution.attention.permutation import AttentionPermutation, permutation
from sonde.attribution.attention.plane import AttentionPlane, plane
from sonde.attribution.attention.readers import read_ag_news, read_sst2
from sonde.attribution.attention.rivals import AttentionRivals, consistent_adversary, rivals, seeds
from sonde.attribution.attention.study import AttentionStudy, corpus, study
from sonde.attribution.attention.texts import Corpus, Texts
from sonde.attribution.attention.training import Setting, f1, train, train_adversary
from sonde.attribution.attention.viewer import viewer

__all__ = [
    "AttentionAdversary",
    "AttentionClassifier",
    "AttentionConfig",
    "AttentionCorrelation",
    "AttentionFrozen",
    "AttentionGuides",
    "AttentionHeads",
    "AttentionPermutation",
    "AttentionPlane",
    "AttentionRivals",
    "AttentionStudy",
    "Corpus",
    "Setting",
    "Texts",
    "adversarial",
    "consistent_adversary",
    "corpus",
    "correlation",
    "f1",
    "frozen",
    "guided",
    "heads",
    "keyword_texts",
    "marker_texts",
    "permutation",
    "plane",
    "read_ag_news",
    "read_sst2",
    "rivals",
    "seeds",
    "stories",
    "study",
    "train",
    "train_adversary",
    "viewer",
]
