"""Toy models of superposition: features in more directions than there are dimensions, many instances trained as one."""

from sonde.superposition.toy.geometry import Solid, solids, told
from sonde.superposition.toy.inputs import Features
from sonde.superposition.toy.measures import dimensionality, dimensions_per_feature, interference, represented
from sonde.superposition.toy.models import toy_models
from sonde.superposition.toy.phases import PHASES, PhaseDiagram, costs, phase_diagram, phases
from sonde.superposition.toy.results import ToyModels
from sonde.superposition.toy.training import Setting, ToyModel, ToyTraining

__all__ = [
    "PHASES",
    "Features",
    "PhaseDiagram",
    "Setting",
    "Solid",
    "ToyModel",
    "ToyModels",
    "ToyTraining",
    "costs",
    "dimensionality",
    "dimensions_per_feature",
    "interference",
    "phase_diagram",
    "phases",
    "represented",
    "solids",
    "told",
    "toy_models",
]
