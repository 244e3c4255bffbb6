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
from sonde.dictionaries.comparison import Comparison, Side, SplittingTree, compare, splitting_tree
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.evaluation import Evaluation, evaluate
from sonde.dictionaries.formats import parts, read, write
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.shipped import shipped
from sonde.dictionaries.standardised import Standardised
from sonde.dictionaries.store import Inputs, Live, Shards, Source, Tensors, collect_activations, corpus
from sonde.dictionaries.training import Diverged, EndToEnd, Job, Training, fit, train

__all__ = [
    "Activation", "Architecture", "AuxK", "BatchTopK", "Centres", "Coded", "Comparison", "Dictionary", "Diverged", "EndToEnd", "Evaluation",
    "Gate", "Gated", "Inputs", "Job", "JumpReLU", "L0", "L1", "Linear", "Live", "Matryoshka", "Monosemantic", "MultiTopK", "Normaliser", "Part",
    "PreActivation", "ReLU", "Resample", "Shards", "Side", "Source", "SplittingTree", "Standardised", "Tanh", "Tensors", "TopK", "Topics",
    "Training", "collect_activations", "compare", "corpus", "evaluate", "fit", "parts", "read", "shipped", "splitting_tree", "train", "write",
]  # fmt: skip
