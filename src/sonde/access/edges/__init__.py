"""The edges of a transformer's computation: which there are, and the model with some of them carrying something else."""

from sonde.access.edges.graph import REST, Edge, Graph, Part
from sonde.access.edges.outputs import Outputs, outputs
from sonde.access.edges.rewiring import Rewiring
from sonde.access.edges.wiring import Wiring

__all__ = ["REST", "Edge", "Graph", "Outputs", "Part", "Rewiring", "Wiring", "outputs"]
