"""Directions that hold a variable: searched for, made without a search, and tested for the illusion that they hold what they only push."""

from sonde.probing.subspaces.alignment import Alignment, das
from sonde.probing.subspaces.illusion import IllusionTest, illusion
from sonde.probing.subspaces.pairs import Pairs
from sonde.probing.subspaces.search import SearchConfig

__all__ = ["Alignment", "IllusionTest", "Pairs", "SearchConfig", "das", "illusion"]
