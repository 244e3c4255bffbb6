"""Where activations for dictionaries come from: a live model, shards on disk, tensors; mixed, and gone on with exactly where they were left."""

from sonde.dictionaries.store.collecting import collect_activations
from sonde.dictionaries.store.corpus import Corpus, corpus
from sonde.dictionaries.store.inputs import Inputs
from sonde.dictionaries.store.live import Live
from sonde.dictionaries.store.shards import Shards
from sonde.dictionaries.store.source import Source, columns
from sonde.dictionaries.store.tensors import Tensors

__all__ = ["Corpus", "Inputs", "Live", "Shards", "Source", "Tensors", "collect_activations", "columns", "corpus"]
