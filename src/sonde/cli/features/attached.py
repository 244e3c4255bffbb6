"""What the actions that use features have in common: a model with a basis attached, text on which its features' activity is known, and a page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.cli.asking import count
from sonde.cli.features.shared import add_model_options, opened_basis
from sonde.cli.printing import refuse_unwritable
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.features import Activity

NAME = "features"
"""What the coordinates are called."""


def add_use_options(action: argparse.ArgumentParser, seed: bool = True) -> None:
    """Register where the features are, the text on which their activity is measured, and where the findings go.

    Arguments:
        action: the parser.
        seed: whether there is no other option that registers it.
    """
    add_model_options(action)
    action.add_argument("--site", metavar="SITE", required=True, help="where the basis is attached, such as blocks.2.resid_post")
    action.add_argument("--reads", action="append", metavar="SITE", help="what a transcoder reads, if it does not say so; again for several")
    action.add_argument("--texts", metavar="FILE", help="text on which features' activity is measured, one a line (default: of the small world)")
    action.add_argument("--documents", type=count, default=200, metavar="N", help="how many texts at most (default: %(default)s)")
    if seed:
        action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def opened_use(arguments: argparse.Namespace) -> "tuple[Model, str]":
    """The model with the basis attached, and the site of its coordinates."""
    refuse_unwritable(arguments)
    from sonde.loading import load

    model = load(arguments.model)
    basis = opened_basis(arguments, model, arguments.site)
    return model.attach(arguments.site, basis, NAME, reads=arguments.reads), f"{arguments.site}.{NAME}"


def lines_of(path: str) -> list[str]:
    """The lines of a file that are not empty.

    Arguments:
        path: where it is.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"there is no file {path}: give one with a text a line")
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    if not any(lines):
        raise InputError(f"{path} is empty: give a text a line")
    return [line for line in lines if line]


def texts_of(arguments: argparse.Namespace, held: bool = False) -> list[str]:
    """The texts on which activity is measured; or others, of the same kind.

    Arguments:
        arguments: of the command.
        held: those that stand elsewhere: other lines of the file, other documents.
    """
    n = arguments.documents
    if arguments.texts is None:
        from sonde.specimens.words import documents

        return [document.text for document in documents(n=n, seed=arguments.seed + 1_000_003 * held)]
    lines = lines_of(arguments.texts)
    half = lines[1::2] if held else lines[::2]
    if not half:
        raise InputError(f"{arguments.texts} has a single line: half of the lines measure activity, the others what steering costs")
    return half[:n]


def activity_of(arguments: argparse.Namespace, model: "Model", site: str) -> "Activity":
    """How active the features are on these texts."""
    from sonde.features import activity

    return activity(model, site, texts_of(arguments), progress=not arguments.json)
