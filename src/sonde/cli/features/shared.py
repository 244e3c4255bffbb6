"""What the actions have in common: a database, its basis, and its model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Basis, Model
    from sonde.features import Features

BASES = 'a folder or file with a dictionary of any known format, a basis that was saved, "neurons", or "shipped"'
SHIPPED = "shipped"
"""The word for what comes with specimen:words."""
DATABASES = 'a feature database that `sonde features collect` made, or "shipped": that of specimen:words'


def add_database_options(action: argparse.ArgumentParser) -> None:
    """Register the database and how it is printed."""
    action.add_argument("folder", metavar="FOLDER", help=DATABASES)
    action.add_argument("--json", action="store_true", help="print JSON")


def add_model_options(action: argparse.ArgumentParser) -> None:
    """Register what runs the model."""
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--basis", metavar="B", help=f"whose features these are: {BASES}")
    action.add_argument("--part", metavar="PATH", help="which one, where a folder holds several dictionaries")


def opened_basis(arguments: argparse.Namespace, model: "Model", site: str) -> "Basis":
    """The basis that is meant.

    Arguments:
        arguments: of the command.
        model: has the site.
        site: what the basis reads.
    """
    if not meant(arguments):
        raise InputError(f"say whose features these are with --basis: {BASES}")
    return named_basis(meant(arguments), model, site, arguments.part)


def named_basis(word: str, model: "Model", site: str, part: str | None = None) -> "Basis":
    """A basis by what stands for it on the command line.

    Arguments:
        word: "neurons", or as for `kept_basis`.
        model: has the site.
        site: what the basis reads; of neurons, how many there are is seen by running the model on one token.
        part: which one, where a folder holds several.
    """
    from sonde import bases
    from sonde.access.placed import by_place

    if word == "neurons":
        return bases.Neurons(by_place(model.run([[0]], read=site, logits=False), site).shape[-1])
    return kept_basis(word, part)


def meant(arguments: argparse.Namespace) -> str:
    """The basis that is named; the shipped database has its own, without being asked."""
    return arguments.basis or (SHIPPED if getattr(arguments, "folder", None) == SHIPPED else "")


def kept_basis(path: str, part: str | None = None) -> "Basis":
    """A basis that was saved, or a dictionary of any known format.

    Arguments:
        path: where it is.
        part: which one, where a folder holds several.
    """
    from sonde import bases
    from sonde.dictionaries import shipped
    from sonde.dictionaries.formats import read
    from sonde.results.artifact import MANIFEST, read_manifest

    if path == SHIPPED:
        return shipped()
    folder = Path(path)
    other = part is None and (folder / MANIFEST).is_file() and not read_manifest(folder)["kind"].startswith("sonde.dictionaries.")
    return bases.load(folder) if other else read(folder, part)


def opened(arguments: argparse.Namespace, basis: "Basis | None" = None) -> "Features":
    """The database that is meant."""
    from sonde.features import Features
    from sonde.features.shipped import DATABASE

    return Features.load(DATABASE if arguments.folder == SHIPPED else arguments.folder, basis)
