"""Directions that hold a variable: searched for, made without a search, and tested for the illusion that they hold what they only push."""

from sonde.probing.subspaces.alignment import Alignment, das
from sonde.probing.subspaces.directions import Line, difference_in_means, probe_direction, span_of
from sonde.probing.subspaces.illusion import IllusionTest, illusion
from sonde.probing.subspaces.pairs import Pairs
from sonde.probing.subspaces.readers import readers_of
from sonde.probing.subspaces.search import SearchConfig
from sonde.probing.subspaces.swaps import Swaps

__all__ = [
    "Alignment",
    "IllusionTest",
    "Line",
    "Pairs",
    "SearchConfig",
    "Swaps",
    "das",
    "difference_in_means",
    "illusion",
    "probe_direction",
    "readers_of",
    "span_of",
]
