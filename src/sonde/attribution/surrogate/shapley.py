"""Exact Shapley values of a surrogate's tree, by TreeSHAP (Lundberg et al. 2020), of the package shap.

They say how the *tree* comes to its share of a class; of the model they say as much as the tree's fidelity does.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.attribution.results import Attribution
from sonde.attribution.surrogate.results import Surrogate
from sonde.results import InputError


def tree_shap(found: Surrogate, inputs: Float[Tensor, "row column"], outcome: int, baseline: Float[Tensor, "background column"]) -> Attribution:
    """Attribute the tree's share of a class to the columns, by exact interventional Shapley values.

    Arguments:
        found: the surrogate.
        inputs: rows to explain.
        outcome: the class.
        baseline: rows whose values stand for absent ones; the values sum to the difference from their mean.

    Raises:
        InputError: the package shap is not there, a class that the tree doesn't know, rows of another width.
    """
    try:
        from shap import TreeExplainer
    except ImportError:
        raise InputError("TreeSHAP needs the package shap: pip install 'sonde[shap]'") from None
    tree, width = found.tree, len(found.names)
    if not 0 <= outcome < tree.values.shape[1]:
        raise InputError(f"the tree has no class {outcome}: it has {tree.values.shape[1]}, counted from 0")
    for name, rows in (("inputs", inputs), ("baseline", baseline)):
        if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
            raise InputError(f"{name} is {tuple(rows.shape)}: give rows of {width} columns")
    plain = {
        "children_left": tree.left.int().numpy(), "children_right": tree.right.int().numpy(), "children_default": tree.right.int().numpy(),
        "features": tree.columns.int().numpy(), "thresholds": tree.thresholds.double().numpy(), "values": tree.values[:, [outcome]].double().numpy(),
        "node_sample_weight": tree.weights.double().numpy(),
    }  # fmt: skip
    explainer = TreeExplainer({"trees": [plain]}, data=baseline.double().numpy(), feature_perturbation="interventional")
    values = torch.as_tensor(explainer.shap_values(inputs.double().numpy(), check_additivity=False)).reshape(len(inputs), width)
    return Attribution(
        method="TreeSHAP of the surrogate",
        values=values.float(),
        metric=tree(inputs)[:, outcome],
        unit=f"share of class {outcome}",
        axes=("unit",),
        site=":in",
        names=tuple(found.names),
        absent="columns taken from the rows given",
        absent_metric=tree(baseline)[:, outcome].mean().expand(len(inputs)),
        recipe=replace(found.recipe, function="sonde.attribution.tree_shap", arguments={"outcome": outcome, "background": len(baseline)}),
    )
