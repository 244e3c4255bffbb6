"""Patching: which parts of a model carry an answer, found by writing one run's values into another."""

from sonde.patching.activation import activation_patching, head_sites, mlp_sites, residual_sites
from sonde.patching.components import Components, find_components, nothing, verify
from sonde.patching.results import PatchResult

__all__ = ["Components", "PatchResult", "activation_patching", "find_components", "head_sites", "mlp_sites", "nothing", "residual_sites", "verify"]
