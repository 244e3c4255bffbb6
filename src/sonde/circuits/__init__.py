"""Circuits: which edges of a model compute an answer, and whether that is true."""

from sonde.circuits.circuit import Circuit
from sonde.circuits.conditions import Conditions
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import Rewired, rewire

__all__ = ["Circuit", "Conditions", "EdgeScores", "Rewired", "rewire"]
