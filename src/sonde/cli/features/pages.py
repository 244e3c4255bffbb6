"""What the actions `export` and `serve` have in common: what the pages show beside the list."""

import argparse
from typing import TYPE_CHECKING

from sonde.cli.features.shared import BASES, DATABASES, kept_basis, meant, opened, opened_basis
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.features import Features
    from sonde.features.pages import Comparison, Extras, Size


def add_page_options(action: argparse.ArgumentParser) -> None:
    """Register the database, what runs its model, and what is shown beside its list."""
    action.add_argument("folder", metavar="FOLDER", help=DATABASES)
    action.add_argument("--title", metavar="TEXT", help="of the pages (default: the model and the site)")
    action.add_argument("--basis", metavar="B", help=f"whose features these are, for all that runs the model, and for the map and the sizes: {BASES}")
    action.add_argument("--part", metavar="PATH", help="which one, where a folder holds several dictionaries")
    action.add_argument(
        "--model", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: with a basis, the one that the database names)"
    )
    action.add_argument("--map", action="store_true", help="lay the directions out in a plane; some thousand take a minute")
    action.add_argument(
        "--beside", nargs="+", action="append", default=[], metavar=("DATABASE", "BASIS"),
        help="compare with another database over the same tokens; with its basis also by direction; again for several",
    )  # fmt: skip
    action.add_argument(
        "--size", nargs=2, action="append", default=[], metavar=("DATABASE", "BASIS"),
        help="a dictionary of another size at the same site, for the tree; again for several",
    )  # fmt: skip
    action.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="a prompt whose features are shown; again for several")


def opened_model(arguments: argparse.Namespace) -> "tuple[Features, Model | None]":
    """The database, with its basis and its model where a basis is named."""
    from sonde.loading import load

    found = opened(arguments)
    if not meant(arguments):
        wanted = [name for name in ("map", "size", "prompt", "model", "effects") if getattr(arguments, name, None)]
        if wanted:
            raise InputError(f"--{wanted[0]} needs to know whose features these are: say it with --basis")
        return found, None
    model = load(arguments.model or found.about()["model"])
    return opened(arguments, opened_basis(arguments, model, found.site[0])), model


def extras(arguments: argparse.Namespace, features: "Features", model: "Model | None") -> "Extras":
    """All that was asked for beside the list."""
    from sonde import bases
    from sonde.features.pages import Extras, levels, plane

    own = None if features.basis is None else bases.directions(features.basis)
    made = Extras(comparisons=[_beside(features, words) for words in arguments.beside])
    if own is not None and arguments.map:
        made["plane"] = plane(own)
    if own is not None and arguments.size:
        made["levels"] = levels([_size(features, features.folder.name, True), *(_size(_other(*words), words[0], False) for words in arguments.size)])
    if model is not None and arguments.prompt:
        made["prompts"] = [features.active(model, text, "effect") for text in arguments.prompt]
    return made


def title(arguments: argparse.Namespace, features: "Features") -> str:
    """What the pages are called."""
    about = features.about()
    return arguments.title or f"Features of {about['model']} at {about['site']}"


def _other(folder: str, basis: str | None = None) -> "Features":
    from sonde.features import Features

    return Features.load(folder, kept_basis(basis) if basis else None)


def _beside(features: "Features", words: list[str]) -> "Comparison":
    from sonde.bases import directions
    from sonde.features.pages import compare

    if len(words) > 2:
        raise InputError(f"--beside {' '.join(words)}: give a database, and its basis if directions are compared too")
    other = _other(*words)
    both = None if features.basis is None or other.basis is None else (directions(features.basis), directions(other.basis))
    return compare(features, other, other.folder.name, both)


def _size(features: "Features", name: str, here: bool) -> "Size":
    from pathlib import Path

    from sonde.bases import directions
    from sonde.features.pages import Size

    assert features.basis is not None  # both callers name one
    labels = features.labels(range(features.size))
    return Size(name=Path(name).name, directions=directions(features.basis), labels=[labels[latent] for latent in range(features.size)], here=here)
