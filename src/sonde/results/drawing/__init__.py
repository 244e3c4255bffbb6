"""A drawing as plain data: `{kind, title, unit, data, axes, legend, control, note}`.

Methods build drawings from their results with the constructors below, one per kind; `sonde.views` draws them in a page, a notebook or the
terminal. No drawing knows a method, and no method knows how a drawing looks. Numbers may come as nested lists, arrays or tensors; NaN and
`None` mean *missing* and are drawn as such. The published schema of `Drawing.to_json()` is `sonde/results/schemas/drawing.json`.
"""

from sonde.results.drawing.amounts import bars, lines, rose, waterfall
from sonde.results.drawing.base import Control, Drawing, DrawingError, Kind, Scale, Series
from sonde.results.drawing.cells import lens, matrix, tokens
from sonde.results.drawing.circuits import Curve, circuit_graph, circuit_pair
from sonde.results.drawing.groups import beside, tabs
from sonde.results.drawing.heads import attention, head_grid, unpacked
from sonde.results.drawing.packing import unpacked_map
from sonde.results.drawing.pictures import overlay, overlays, picture_grid
from sonde.results.drawing.points import Points, scatter, violins
from sonde.results.drawing.swaps import swap
from sonde.results.drawing.wiring import Edge, Node
from sonde.results.drawing.words import evidence, table, verdicts

__all__ = [
    "Control",
    "Curve",
    "Drawing",
    "DrawingError",
    "Edge",
    "Kind",
    "Node",
    "Points",
    "Scale",
    "Series",
    "attention",
    "bars",
    "beside",
    "circuit_graph",
    "circuit_pair",
    "evidence",
    "head_grid",
    "lens",
    "lines",
    "matrix",
    "overlay",
    "overlays",
    "picture_grid",
    "rose",
    "scatter",
    "swap",
    "table",
    "tabs",
    "tokens",
    "unpacked",
    "unpacked_map",
    "verdicts",
    "violins",
    "waterfall",
]
