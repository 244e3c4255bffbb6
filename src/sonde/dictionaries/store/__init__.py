"""Where activations for dictionaries come from: a live model, shards on disk, tensors; mixed, and gone on with exactly where they were left."""

from sonde.dictionaries.store.source import Source, columns
from sonde.dictionaries.store.tensors import Tensors

__all__ = ["Source", "Tensors", "columns"]
