"""Circuits: which edges of a model compute an answer, and whether that is true."""

from sonde.circuits.acdc import Acdc, acdc
from sonde.circuits.circuit import Circuit
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
from sonde.circuits.visiting import visiting

__all__ = [
    "MIB_SIZES",
    "Acdc",
    "Circuit",
    "Completeness",
    "Conditions",
    "EdgeScores",
    "Evaluation",
    "FaithfulnessCurve",
    "Minimality",
    "RandomTest",
    "Recovery",
    "Rewired",
    "Stability",
    "acdc",
    "completeness",
    "evaluate",
    "faithfulness",
    "faithfulness_curve",
    "minimality",
    "random_circuits",
    "random_test",
    "rewire",
    "roc",
    "roc_of",
    "stability",
    "stability_of",
    "visiting",
]
