"""What actions that compare models on texts have in common: which models, how texts begin, and where the findings go."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.results import Verdict
    from sonde.results.document import Document

T = TypeVar("T")
Done = TypeVar("Done")


def add_options(action: argparse.ArgumentParser) -> None:
    """Register the options."""
    action.add_argument(
        "--model", dest="models", action="append", metavar="M", help="a specimen, a folder or a Hub id; again for several (default: specimen:words)"
    )
    action.add_argument(
        "--bos",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="put the beginning-of-sequence token first (default: as the tokenizer does)",
    )
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def refuse_unwritable(arguments: argparse.Namespace) -> None:
    """Refuse a page that can't be written: said before the work, not after it."""
    if arguments.out and (Path(arguments.out).is_dir() or not Path(arguments.out).parent.is_dir()):
        raise InputError(f"the page can't be written to {arguments.out}: give a file in a folder that exists with --out")


def opened(arguments: argparse.Namespace) -> "list[Model]":
    """The models that are meant."""
    refuse_unwritable(arguments)
    from sonde.loading import load

    return [load(name) for name in arguments.models or ["specimen:words"]]


def told(arguments: argparse.Namespace, document: "Document") -> None:
    """Print the findings, unless they were printed as JSON, and write the page that was asked for."""
    if not arguments.json:
        from sonde.cli.printing import console
        from sonde.views import terminal

        terminal.show(document, console())
    if arguments.out:
        from sonde.views import page

        Path(arguments.out).write_text(page(document), encoding="utf-8")
        if not arguments.json:
            print(f"page written to {arguments.out}")


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


def plain_verdict(verdict: "Verdict") -> dict[str, Any]:
    """A verdict as plain data, with whether it holds."""
    return {**asdict(verdict), "holds": verdict.holds}
