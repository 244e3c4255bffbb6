"""Circuits: which edges of a model compute an answer, and whether that is true."""

from sonde.circuits import reference
from sonde.circuits.acdc import Acdc, acdc
from sonde.circuits.backwards import Backwards, Step, backwards
from sonde.circuits.circuit import Circuit
from sonde.circuits.comparison import Comparison, Overlap, Reuse, compare, reuse
from sonde.circuits.conditions import Conditions
from sonde.circuits.discovery import Discovery, discover
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
from sonde.circuits.masks import LearntMask, edge_pruning, subnetwork_probing
from sonde.circuits.node_scores import NodeScores
from sonde.circuits.optimal import OptimalConstants, optimal_constants
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import Rewired, rewire
from sonde.circuits.scores import (
    Missed,
    atp,
    atp_star,
    clean_corrupted,
    eap,
    eap_ig,
    eap_ig_activations,
    exact_edges,
    exact_nodes,
    information_flow,
    missed,
    relp,
    relp_nodes,
)
from sonde.circuits.two_stage import TwoStage, two_stage
from sonde.circuits.visiting import visiting

__all__ = [
    "MIB_SIZES",
    "Acdc",
    "Backwards",
    "Circuit",
    "Comparison",
    "Completeness",
    "Conditions",
    "Discovery",
    "EdgeScores",
    "Evaluation",
    "FaithfulnessCurve",
    "LearntMask",
    "Minimality",
    "Missed",
    "NodeScores",
    "OptimalConstants",
    "Overlap",
    "RandomTest",
    "Recovery",
    "Reuse",
    "Rewired",
    "Stability",
    "Step",
    "TwoStage",
    "acdc",
    "atp",
    "atp_star",
    "backwards",
    "clean_corrupted",
    "compare",
    "completeness",
    "discover",
    "eap",
    "eap_ig",
    "eap_ig_activations",
    "edge_pruning",
    "evaluate",
    "exact_edges",
    "exact_nodes",
    "faithfulness",
    "faithfulness_curve",
    "information_flow",
    "minimality",
    "missed",
    "optimal_constants",
    "random_circuits",
    "random_test",
    "reference",
    "relp",
    "relp_nodes",
    "reuse",
    "rewire",
    "roc",
    "roc_of",
    "stability",
    "stability_of",
    "subnetwork_probing",
    "two_stage",
    "visiting",
]
