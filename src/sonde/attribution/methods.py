"""The methods by name, and what each asks for: what a command line or a table of methods needs to know."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sonde.attribution.cam import grad_cam, grad_cam_plus_plus, guided_grad_cam
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

Method = Callable[..., Attribution]

METHODS: Mapping[str, Method] = {
    method.__name__: method
    for method in (
        attention_relevance,
        attention_rollout,
        attention_weights,
        deconvnet,
        exact_shapley,
        expected_gradients,
        grad_cam,
        grad_cam_plus_plus,
        gradient,
        gradient_x_input,
        guided_backpropagation,
        guided_grad_cam,
        integrated_gradients,
        kernel_shap,
        lime,
        lrp,
        occlusion,
        permutation_shapley,
        smooth_grad,
        value_weighted_norm,
        value_zeroing,
    )
}
"""Every method that takes a model, inputs and a metric, by its name."""


def options(method: Method) -> dict[str, Any]:
    """The options of a method by name, with their defaults; those that say what is explained are left out.

    Arguments:
        method: one of `METHODS`.

    >>> options(METHODS["gradient_x_input"])
    {'at': None}
    """
    parameters = inspect.signature(method).parameters
    return {name: p.default for name, p in parameters.items() if name not in ("model", "task", "of", "baseline", "bos", "batch_size")}


def takes_baseline(method: Method) -> bool:
    """Whether a method needs to be told what stands for what is absent.

    Arguments:
        method: one of `METHODS`.
    """
    baseline = inspect.signature(method).parameters.get("baseline")
    return baseline is not None and baseline.default is inspect.Parameter.empty
