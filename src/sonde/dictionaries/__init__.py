"""In which features a model thinks: sparse dictionaries of its activations, how they are trained, judged and exchanged."""

from sonde.dictionaries.activations import Activation
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.formats import parts, read, write
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.standardised import Standardised

__all__ = ["Activation", "Dictionary", "Gate", "Normaliser", "Part", "Standardised", "parts", "read", "write"]
