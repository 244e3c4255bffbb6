"""Evidence for attributions: whether the places that a method names matter to the model, and whether its map has anything to do with the model."""

from sonde.attribution.evaluation.curves import Curves, curves
from sonde.attribution.evaluation.others import OtherExamples

__all__ = ["Curves", "OtherExamples", "curves"]
