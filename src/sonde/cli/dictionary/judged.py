"""What `evaluate` and `compare` have in common: dictionaries by the names of their folders, and the texts that they are judged on."""

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.cli.asking import count
from sonde.cli.dictionary.corpus import WORLD, add_corpus_options, opened_corpus
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Basis, Model
    from sonde.specimens.words import Labelled

FOLDER = "the folder of a dictionary, in the format of sonde, SAELens, sparsify, ..."
HELD_OUT = 1  # dictionaries learn from the documents of seed 0 by default: they are judged on others


def add_options(action: argparse.ArgumentParser) -> None:
    """Register the model, the texts and the output."""
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--site", metavar="SITE", help="where, such as blocks.1.resid_post (default: as the dictionary says)")
    add_corpus_options(action)
    action.add_argument("--texts", type=count, default=400, metavar="N", help="contexts at most (default: %(default)s)")
    action.add_argument("--seed", type=int, default=HELD_OUT, metavar="N", help="of the documents and the controls (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="test the claims against the controls")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(documents=400)


def opened(folders: list[str]) -> "dict[str, Basis]":
    """Dictionaries by name: the folder's, or its whole path where two folders have one name."""
    from sonde.dictionaries.formats import read

    names = [Path(folder).name for folder in folders]
    named = names if len(set(names)) == len(names) else folders
    if len(set(named)) < len(named):
        raise InputError(f"{', '.join(folders)}: a folder is named twice; name each dictionary once")
    return {name: read(Path(folder)) for name, folder in zip(named, folders, strict=True)}


def opened_texts(arguments: argparse.Namespace, model: "Model") -> list[list[int]]:
    """The texts as rows of tokens."""
    corpus = opened_corpus(arguments, model)
    return [list(found.tokens) for found in islice(corpus.sequences(corpus.beginning(0)), arguments.texts)]


def labelled_texts(arguments: argparse.Namespace, model: "Model") -> "Labelled":
    """The small world's documents with what is true at each of their tokens."""
    from sonde.specimens.words import documents, labelled

    if arguments.corpus != WORLD:
        raise InputError(f"--properties: of {arguments.corpus} nobody knows what is true at its tokens; leave --corpus out for the small world")
    if model.tokenizer is None:
        raise InputError(f"--properties: {model.name} has no tokenizer, and reads none of the small world's documents")
    return labelled(documents(n=min(arguments.documents, arguments.texts), seed=arguments.seed), model.tokenizer)
