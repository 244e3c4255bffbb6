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
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.store import Source, Tensors
from sonde.dictionaries.training import Diverged, EndToEnd, Job, Training, fit, train

__all__ = [
    "Activation", "Architecture", "AuxK", "BatchTopK", "Dictionary", "Diverged", "EndToEnd", "Gate", "Gated", "Job", "JumpReLU", "L0", "L1", "Matryoshka",
    "Monosemantic", "MultiTopK", "Normaliser", "Part", "PreActivation", "ReLU", "Resample", "Source", "Tanh", "Tensors", "TopK", "Training", "fit",
    "train",
]  # fmt: skip
