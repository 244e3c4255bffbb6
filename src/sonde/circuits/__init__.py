"""Circuits: which edges of a model compute an answer, and whether that is true."""

from sonde.circuits import reference
from sonde.circuits.acdc import Acdc, acdc
from sonde.circuits.circuit import Circuit
from sonde.circuits.comparison import Comparison, Overlap, Reuse, compare, reuse
from sonde.circuits.conditions import Conditions
from sonde.circuits.evaluation import (
    MIB_SIZES,
    Completeness,
    Evaluation,
    FaithfulnessCurve,
    Minimality,
    RandomTest,
    Recovery,
    Stability,
    completeness,
    evaluate,
    faithfulness,
    faithfulness_curve,
    minimality,
    random_circuits,
    random_test,
    roc,
    roc_of,
    stability,
    stability_of,
)
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import Rewired, rewire
from sonde.circuits.scores import clean_corrupted, eap, eap_ig, eap_ig_activations
from sonde.circuits.two_stage import TwoStage, two_stage
from sonde.circuits.visiting import visiting

__all__ = [
    "MIB_SIZES",
    "Acdc",
    "Circuit",
    "Comparison",
    "Completeness",
    "Conditions",
    "EdgeScores",
    "Evaluation",
    "FaithfulnessCurve",
    "Minimality",
    "Overlap",
    "RandomTest",
    "Recovery",
    "Reuse",
    "Rewired",
    "Stability",
    "TwoStage",
    "acdc",
    "clean_corrupted",
    "compare",
    "completeness",
    "eap",
    "eap_ig",
    "eap_ig_activations",
    "evaluate",
    "faithfulness",
    "faithfulness_curve",
    "minimality",
    "random_circuits",
    "random_test",
    "reference",
    "reuse",
    "rewire",
    "roc",
    "roc_of",
    "stability",
    "stability_of",
    "two_stage",
    "visiting",
]
