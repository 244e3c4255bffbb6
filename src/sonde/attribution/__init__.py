"""Attribution: which tokens of the input mattered for the answer, by three methods that fail in different ways, and whether that is true."""

from sonde.attribution import attention, evaluation
from sonde.attribution.agreement import Agreement, agreement
from sonde.attribution.attention import (
    AttentionAdversary,
    AttentionCorrelation,
    AttentionFrozen,
    AttentionGuides,
    AttentionHeads,
    AttentionPermutation,
    AttentionPlane,
    AttentionRivals,
    AttentionStudy,
)
from sonde.attribution.check import check
from sonde.attribution.evaluation import Cascade, Curves, RobustFidelity, Sums
from sonde.attribution.gradients import gradient_x_input
from sonde.attribution.integrated import integrated_gradients
from sonde.attribution.occlusion import occlusion
from sonde.attribution.results import Attribution
from sonde.attribution.surrogate import Counterfactual, Fidelity, Rule, Surrogate, SurrogateTree, surrogate, tree_shap

__all__ = [
    "Agreement",
    "AttentionAdversary",
    "AttentionCorrelation",
    "AttentionFrozen",
    "AttentionGuides",
    "AttentionHeads",
    "AttentionPermutation",
    "AttentionPlane",
    "AttentionRivals",
    "AttentionStudy",
    "Attribution",
    "Cascade",
    "Counterfactual",
    "Curves",
    "Fidelity",
    "RobustFidelity",
    "Rule",
    "Sums",
    "Surrogate",
    "SurrogateTree",
    "agreement",
    "attention",
    "check",
    "evaluation",
    "gradient_x_input",
    "integrated_gradients",
    "occlusion",
    "surrogate",
    "tree_shap",
]
