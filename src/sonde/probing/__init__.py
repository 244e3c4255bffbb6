"""What a model encodes, and whether it uses it: probes, removal of concepts, subspaces."""

from sonde.probing.commonest import accuracy_of, commonest, known_without
from sonde.probing.data import Sentence, Word, parallel, sentences, table, treebank, words
from sonde.probing.division import divide
from sonde.probing.erasure import Eraser, LeaceSums, erase, random_erasers
from sonde.probing.labelled import Labelled, shared_texts
from sonde.probing.probes import MLP, LinearProbe, Logistic, MLPProbe, Ridge, fit_logistic, fit_mlp, fit_ridge
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.probing.sweep import sweep, sweep_states
from sonde.probing.sweep_results import ProbeSweep
from sonde.probing.tagging import token_labels

__all__ = [
    "Eraser",
    "Labelled",
    "LeaceSums",
    "LinearProbe",
    "Logistic",
    "MLP",
    "MLPProbe",
    "ProbeSweep",
    "Ridge",
    "States",
    "token_labels",
    "words",
    "treebank",
    "table",
    "sentences",
    "parallel",
    "known_without",
    "Word",
    "Sentence",
    "accuracy_of",
    "commonest",
    "divide",
    "erase",
    "fit_logistic",
    "fit_mlp",
    "fit_ridge",
    "random_erasers",
    "read_states",
    "shared_texts",
    "sweep",
    "sweep_states",
]
