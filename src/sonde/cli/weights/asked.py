"""What the actions are told: the model, the text that it is held against, and how the findings are printed."""

import argparse
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sonde.cli.asking import count
from sonde.cli.dictionary.corpus import add_corpus_options, opened_corpus
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model


def add_model_options(action: argparse.ArgumentParser) -> None:
    """Register the model, the seed and how the findings are printed."""
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def add_text_options(action: argparse.ArgumentParser, contexts: int) -> None:
    """Register the text.

    Arguments:
        action: the parser.
        contexts: of how many it consists by default.
    """
    add_corpus_options(action)
    action.add_argument("--contexts", type=count, default=contexts, metavar="N", help="rows of text at most (default: %(default)s)")


def refuse_heads(model: "Model", heads: Sequence[str]) -> None:
    """Refuse heads that there are not, before the work: "1.3" is the fourth of the second block.

    Arguments:
        model: whose.
        heads: as they were given.
    """
    known = [f"{layer}.{head}" for layer in range(model.n_layers) for head in range(model.n_heads)]
    for head in heads:
        if known and head not in known:
            raise InputError(f"there is no head {head!r}: give one of {known[0]} to {known[-1]}")


def opened_rows(arguments: argparse.Namespace, model: "Model") -> tuple[list[list[int]], list[str]]:
    """The text that is meant as rows of token ids, and what is to be said of it."""
    found = opened_corpus(arguments, model)
    rows = [one.tokens for one in islice(found.sequences(found.beginning(0)), arguments.contexts)]
    if not any(len(row) > 1 for row in rows):
        said = "; ".join(found.notes)
        raise InputError(f"{arguments.corpus} gives {model.name} no context of two tokens ({said}): give a text that it can read with --corpus")
    return rows, [*found.notes, f"{len(rows)} contexts of text"]
