"""Patching: which parts of a model carry an answer, found by writing one run's values into another."""

from sonde.patching.activation import activation_patching, head_sites, mlp_sites, residual_sites
from sonde.patching.components import Components, find_components
from sonde.patching.edges import EdgeResult, edge_patching
from sonde.patching.interchange import Interchange, interchange
from sonde.patching.knockout import Knockout, attention_knockout
from sonde.patching.mediation import Mediation, mediation
from sonde.patching.optimal import OptimalConstant, optimal_constant
from sonde.patching.path_results import PathResult
from sonde.patching.paths import path_patching
from sonde.patching.results import PatchResult
from sonde.patching.traces import Trace
from sonde.patching.tracing import causal_tracing
from sonde.patching.verification import Verification, nothing_found, verify

__all__ = [
    "Components",
    "Interchange",
    "EdgeResult",
    "Knockout",
    "Mediation",
    "OptimalConstant",
    "PatchResult",
    "PathResult",
    "Trace",
    "Verification",
    "activation_patching",
    "optimal_constant",
    "attention_knockout",
    "causal_tracing",
    "edge_patching",
    "find_components",
    "head_sites",
    "interchange",
    "mediation",
    "mlp_sites",
    "nothing_found",
    "path_patching",
    "residual_sites",
    "verify",
]
