"""In which features a model thinks: sparse dictionaries of its activations, how they are trained, judged and exchanged."""

from sonde.dictionaries.activations import Activation
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.store import Inputs, Live, Shards, Source, Tensors, collect_activations, columns, corpus

__all__ = [
    "Activation",
    "Dictionary",
    "Gate",
    "Inputs",
    "Live",
    "Normaliser",
    "Part",
    "Shards",
    "Source",
    "Tensors",
    "collect_activations",
    "columns",
    "corpus",
]
