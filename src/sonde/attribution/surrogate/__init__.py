"""Surrogates: a tree that imitates a model on a table, the rules that it reads off, and how far both can be believed."""

from sonde.attribution.surrogate.counterfactuals import Counterfactual
from sonde.attribution.surrogate.fit import surrogate
from sonde.attribution.surrogate.results import Fidelity, Surrogate
from sonde.attribution.surrogate.rules import Columns, Rule
from sonde.attribution.surrogate.shapley import tree_shap
from sonde.attribution.surrogate.trees import SurrogateTree

__all__ = ["Columns", "Counterfactual", "Fidelity", "Rule", "Surrogate", "SurrogateTree", "surrogate", "tree_shap"]
