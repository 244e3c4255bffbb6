"""Where labelled examples come from: treebanks, tables, parallel sentences, and the small world's own truth."""

from sonde.probing.data.parallel import parallel
from sonde.probing.data.sentences import Sentence, Word, sentences
from sonde.probing.data.table import table
from sonde.probing.data.treebank import treebank
from sonde.probing.data.words import words

__all__ = ["Sentence", "Word", "parallel", "sentences", "table", "treebank", "words"]
