"""What each edge or node of a model is worth: exactly, or to first order."""

from sonde.circuits.scores.atp import atp
from sonde.circuits.scores.atp_star import atp_star
from sonde.circuits.scores.eap import clean_corrupted, eap, eap_ig, eap_ig_activations
from sonde.circuits.scores.exact import exact_edges, exact_nodes
from sonde.circuits.scores.flow import information_flow
from sonde.circuits.scores.relp import relp, relp_nodes
from sonde.circuits.scores.subsets import Missed, missed

__all__ = [
    "Missed",
    "atp",
    "atp_star",
    "clean_corrupted",
    "eap",
    "eap_ig",
    "eap_ig_activations",
    "exact_edges",
    "exact_nodes",
    "information_flow",
    "missed",
    "relp",
    "relp_nodes",
]
