"""In which features a model thinks: sparse dictionaries of its activations, how they are trained, judged and exchanged."""

from sonde.dictionaries.activations import Activation
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.normalising import Normaliser

__all__ = ["Activation", "Dictionary", "Gate", "Normaliser", "Part"]
