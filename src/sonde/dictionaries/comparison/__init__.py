"""What two dictionaries have in common: `compare` matches latents by what they do, `splitting_tree` says how features split from small to large."""

from sonde.dictionaries.comparison.compare import compare
from sonde.dictionaries.comparison.results import Comparison, Side
from sonde.dictionaries.comparison.tree import SplittingTree, splitting_tree

__all__ = ["Comparison", "Side", "SplittingTree", "compare", "splitting_tree"]
