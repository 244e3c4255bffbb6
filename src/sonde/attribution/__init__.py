"""Attribution: which places of the input mattered for the answer, by methods that fail in different ways, and whether that is true."""

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
from sonde.attribution.cam import grad_cam, grad_cam_plus_plus, guided_grad_cam
from sonde.attribution.check import check
from sonde.attribution.clip import ImageTextSaliency, image_text_saliency
from sonde.attribution.evaluation import (
    Cascade,
    Curves,
    DiffRoar,
    Evaluation,
    LabelRandomisation,
    Leakage,
    Response,
    RobustFidelity,
    Simulatability,
    Stability,
    Sums,
)
from sonde.attribution.expected import expected_gradients
from sonde.attribution.flow import attention_relevance, attention_rollout, attention_weights, value_weighted_norm, value_zeroing
from sonde.attribution.gradients import gradient, gradient_x_input
from sonde.attribution.guided import deconvnet, guided_backpropagation
from sonde.attribution.integrated import integrated_gradients
from sonde.attribution.lime import lime
from sonde.attribution.occlusion import occlusion
from sonde.attribution.relevance import lrp
from sonde.attribution.results import Attribution
from sonde.attribution.shapley import exact_shapley, kernel_shap, permutation_shapley
from sonde.attribution.smooth import smooth_grad
from sonde.attribution.surrogate import Columns, Counterfactual, Fidelity, Rule, Surrogate, SurrogateTree, surrogate, tree_shap

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
    "Columns",
    "Counterfactual",
    "Curves",
    "DiffRoar",
    "Evaluation",
    "Fidelity",
    "ImageTextSaliency",
    "LabelRandomisation",
    "Leakage",
    "Response",
    "RobustFidelity",
    "Rule",
    "Simulatability",
    "Stability",
    "Sums",
    "Surrogate",
    "SurrogateTree",
    "agreement",
    "attention",
    "attention_relevance",
    "attention_rollout",
    "attention_weights",
    "check",
    "deconvnet",
    "evaluation",
    "exact_shapley",
    "expected_gradients",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "gradient_x_input",
    "guided_backpropagation",
    "guided_grad_cam",
    "image_text_saliency",
    "integrated_gradients",
    "kernel_shap",
    "lime",
    "lrp",
    "occlusion",
    "permutation_shapley",
    "smooth_grad",
    "surrogate",
    "tree_shap",
    "value_weighted_norm",
    "value_zeroing",
]
