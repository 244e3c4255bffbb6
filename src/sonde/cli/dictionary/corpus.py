"""Which text a dictionary learns from: files, or documents of the small world."""

import argparse
from typing import TYPE_CHECKING

from sonde.cli.asking import count

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.dictionaries.store import Corpus

WORLD = "specimen:words"


def add_corpus_options(action: argparse.ArgumentParser) -> None:
    """Register the text and how it is made sequences of tokens."""
    action.add_argument(
        "--corpus", metavar="FILE", default=WORLD,
        help="text, JSON lines, Parquet or an array of token ids; a glob in quotes for several; by default documents of the small world",
    )  # fmt: skip
    action.add_argument("--documents", type=count, default=4000, metavar="N", help="how many documents of the small world (default: %(default)s)")
    action.add_argument("--field", default="text", metavar="NAME", help="a record's field with its text, or a table's column (default: %(default)s)")
    action.add_argument("--separator", metavar="TEXT", help="what stands between documents of a text file (default: a file is one document)")
    action.add_argument("--length", type=count, metavar="N", help="tokens of a context (default: 128, or the model's whole context if shorter)")
    action.add_argument("--bos", choices=("both", "document", "context", "none"), help="where the token that begins a sequence is put")
    action.add_argument("--apart", action="store_true", help="every document in contexts of its own, not one after another")


def opened_corpus(arguments: argparse.Namespace, model: "Model") -> "Corpus":
    """The text that is meant."""
    from sonde.dictionaries.store import corpus
    from sonde.specimens.words import documents

    given = documents(n=arguments.documents, seed=arguments.seed) if arguments.corpus == WORLD else arguments.corpus
    return corpus(
        given, model, arguments.length, arguments.field, arguments.separator, arguments.bos, False if arguments.apart else None, seed=arguments.seed
    )
