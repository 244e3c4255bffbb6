"""In which features a model thinks: sparse dictionaries of its activations, how they are trained, judged and exchanged."""

from sonde.dictionaries.activations import Activation
from sonde.dictionaries.architectures import (
    L0,
    L1,
    Architecture,
    AuxK,
    BatchTopK,
    Gated,
    JumpReLU,
    Matryoshka,
    Monosemantic,
    MultiTopK,
    PreActivation,
    ReLU,
    Resample,
    Tanh,
    TopK,
)
from sonde.dictionaries.baselines import Centres, Coded, Linear, Topics
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.formats import parts, read, write
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.shipped import shipped
from sonde.dictionaries.standardised import Standardised
from sonde.dictionaries.store import Inputs, Live, Shards, Source, Tensors, collect_activations, corpus
from sonde.dictionaries.training import Diverged, EndToEnd, Job, Training, fit, train

__all__ = [
    "Activation", "Architecture", "AuxK", "BatchTopK", "Centres", "Coded", "Dictionary", "Diverged", "EndToEnd", "Gate", "Gated", "Inputs", "Job",
    "JumpReLU", "L0", "L1", "Linear", "Live", "Matryoshka", "Monosemantic", "MultiTopK", "Normaliser", "Part", "PreActivation", "ReLU", "Resample",
    "Shards", "Source", "Standardised", "Tanh", "Tensors", "TopK", "Topics", "Training", "collect_activations", "corpus", "fit", "parts", "read",
    "shipped", "train", "write",
]  # fmt: skip
