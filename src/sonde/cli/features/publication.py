"""What `sonde features export --neuronpedia` takes: the names under which features are published, and nothing that is of pages."""

import argparse
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.features import Publication

NAMES = {
    "model_id": "Neuronpedia's name of the model, such as gpt2-small",
    "source_set": "of the dictionaries that belong together, such as res-jb",
    "creator": "who made them",
    "release": "the name of the publication",
    "layer": "of the site (default: told from its name)",
    "suffix": "what tells dictionaries of one layer and set apart, such as 32k",
    "description": "of the set, in words",
    "creator_id": "of an account there",
    "hf_repository": "where the weights are, if they are on the Hub",
    "hf_folder": "in that repository",
    "explanation_type": "a way of explaining that is registered there, by which the descriptions were made",
    "explanation_model": "a model that is registered there, by which the descriptions were made",
}
OF_PAGES = ("title", "map", "beside", "size", "prompt", "effects")


def add_publication_options(action: argparse.ArgumentParser) -> None:
    """Register the format and the names.

    Arguments:
        action: the parser.
    """
    action.add_argument("--neuronpedia", action="store_true", help="write what Neuronpedia imports instead: a folder below --out, a new one")
    group = action.add_argument_group("names of the publication, with --neuronpedia")
    for name, said in NAMES.items():
        group.add_argument(_option(name), type=int if name == "layer" else str, metavar="N" if name == "layer" else "TEXT", help=said)


def publication(arguments: argparse.Namespace) -> "Publication | None":
    """The names that were given; `None` for pages.

    Arguments:
        arguments: of the command.

    Raises:
        InputError: options of the one with those of the other, or a name that is needed and missing.
    """
    from sonde.features import Publication

    given = {name: value for name in NAMES if (value := getattr(arguments, name)) is not None}
    if not arguments.neuronpedia:
        if given:
            raise InputError(f"{_option(min(given))} is of a publication: give it with --neuronpedia, or leave it out")
        return None
    foreign = [name for name in OF_PAGES if getattr(arguments, name)]
    if foreign:
        raise InputError(f"--neuronpedia writes no pages: leave {_option(foreign[0])} out")
    missing = [_option(one.name) for one in fields(Publication) if one.default is MISSING and one.name not in given]
    if missing:
        raise InputError(f"--neuronpedia needs {', '.join(missing)}: the names under which the features are published")
    return Publication(**given)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
