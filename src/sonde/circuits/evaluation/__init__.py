"""Whether a circuit is true: enough, needed, all, and nothing too much; beside random circuits, with intervals over examples."""

from sonde.circuits.evaluation.curve import MIB_SIZES, FaithfulnessCurve, area, faithfulness_curve
from sonde.circuits.evaluation.draws import random_circuits
from sonde.circuits.evaluation.faithfulness import Evaluation, evaluate, faithfulness
from sonde.circuits.evaluation.judging import RandomTest, judged, random_test
from sonde.circuits.evaluation.recovery import Recovery, roc, roc_of
from sonde.circuits.evaluation.stability import Stability, stability, stability_of
from sonde.circuits.evaluation.subsets import Completeness, Minimality, completeness, minimality

__all__ = [
    "MIB_SIZES",
    "Completeness",
    "Evaluation",
    "FaithfulnessCurve",
    "Minimality",
    "RandomTest",
    "Recovery",
    "Stability",
    "area",
    "completeness",
    "evaluate",
    "faithfulness",
    "faithfulness_curve",
    "judged",
    "minimality",
    "random_circuits",
    "random_test",
    "roc",
    "roc_of",
    "stability",
    "stability_of",
]
