"""Activations whose features are known: what a dictionary learns from them can be held against the truth.

`superposed` (more features than entries), `orthogonal`, `hierarchical` (children fire only with their parents), `correlated` (groups),
`crossed` (two sites with shared and private features) and `layer` (a sparse layer with inputs and outputs) make worlds; `Stream` draws from them.
"""

from sonde.specimens.features.families import correlated, crossed, hierarchical, orthogonal, superposed
from sonde.specimens.features.layer import Layer, layer
from sonde.specimens.features.world import Batch, Planted, Stream, World

__all__ = ["Batch", "Layer", "Planted", "Stream", "World", "correlated", "crossed", "hierarchical", "layer", "orthogonal", "superposed"]
