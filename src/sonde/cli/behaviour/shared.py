"""What actions that compare models on texts have in common: which models, how texts begin, and what is left out."""

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from sonde.cli.printing import refuse_unwritable
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model

T = TypeVar("T")
Done = TypeVar("Done")


def add_options(action: argparse.ArgumentParser) -> None:
    """Register the options."""
    action.add_argument(
        "--model",
        dest="models",
        action="append",
        metavar="M",
        help="a specimen, a folder, a Hub id or FILE.py:NAME; again for several (default: specimen:words)",
    )
    action.add_argument(
        "--bos",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="put the beginning-of-sequence token first (default: as the tokenizer does)",
    )
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def opened(arguments: argparse.Namespace) -> "list[Model]":
    """The models that are meant."""
    refuse_unwritable(arguments)
    from sonde.loading import load

    return [load(name) for name in arguments.models or ["specimen:words"]]


def each(items: Iterable[T], done: Callable[[T], Done]) -> tuple[list[Done], list[str]]:
    """What became of each item, and why others were refused; raises where all were.

    Arguments:
        items: files, models.
        done: what is done with each.
    """
    found, refused = [], []
    for item in items:
        try:
            found.append(done(item))
        except InputError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return found, [f"left out: {error}" for error in refused]
