"""`sonde explain`: one prediction, from the tokens to the parts that compute it, with the evidence for each sentence."""

import argparse
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sonde.cli.features.attached import NAME
from sonde.cli.features.shared import BASES, named_basis
from sonde.cli.printing import refuse_unwritable
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.report import Explanation, SideBySide


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "explain",
        help="explain one prediction of a language model",
        description="Explain what a language model says after a prompt: which tokens mattered, where the answer arises, which parts carry it, "
        "and whether that holds when those parts are taken out.",
    )
    parser.add_argument("prompt", metavar="PROMPT", help="the text; the next token is explained")
    parser.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    parser.add_argument(
        "--target", metavar="T", help="the token to explain, with its leading space (default: the task's answer, else the first guess)"
    )
    parser.add_argument("--foil", metavar="F", action="append", help="the token it is contrasted with; again for several maps, one for each foil")
    parser.add_argument("--corrupt", metavar="C", help="a prompt of the same length in which the answer should change (default: found, and shown)")
    parser.add_argument("--foil-sentence", default="", metavar="S", help="a sentence that the prompt is compared with as a whole: a minimal pair")
    parser.add_argument(
        "--bos",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="put the beginning-of-sequence token first (default: as the tokenizer does)",
    )
    parser.add_argument(
        "--basis", dest="bases", action="append", default=[], metavar="SITE=B",
        help=f"divide what this site holds into features, and tell which carry the prediction: {BASES}; again for several sites",
    )  # fmt: skip
    parser.add_argument(
        "--features", dest="databases", action="append", default=[], metavar="FOLDER",
        help="what `sonde features collect` and `describe` found out about the features of such a basis; again for several",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of every random draw (default: %(default)s)")
    parser.add_argument(
        "--for",
        dest="profile",
        default="researcher",
        metavar="WHO",
        help="who reads it: researcher, auditor, expert (of the field) or affected; decides what comes first (default: %(default)s)",
    )
    parser.add_argument("--beside", metavar="PROMPT", help="explain this prompt too, and show both side by side")
    parser.add_argument("--beside-model", metavar="M", help="explain by this model too, and show both side by side")
    parser.add_argument("--out", metavar="FILE", help="write the report as one HTML page")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of the compact report")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain, then print or write what was asked for."""
    refuse_unwritable(arguments)
    from sonde.features import Features
    from sonde.loading import load
    from sonde.report import explain, side_by_side
    from sonde.report.reproduce import with_places

    places = places_of(arguments)

    def explained(prompt: str, model: "Model") -> "Explanation":
        found = explain(
            model,
            prompt,
            target=arguments.target,
            foil=arguments.foil,
            corrupt=arguments.corrupt,
            bos=arguments.bos,
            seed=arguments.seed,
            foil_sentence=arguments.foil_sentence,
            profile=arguments.profile,
            progress=not arguments.json,
            databases=[Features.load(folder) for folder in arguments.databases],
        )
        return replace(found, command=with_places(found.command, places))

    model = load(arguments.model)
    for site, place in places.items():
        model = model.attach(site, named_basis(place, model, site), NAME)
    first = explained(arguments.prompt, model)
    explanation: "Explanation | SideBySide" = first
    if arguments.beside is not None or arguments.beside_model is not None:
        other = load(arguments.beside_model) if arguments.beside_model is not None else model
        second = explained(arguments.prompt if arguments.beside is None else arguments.beside, other)
        explanation = side_by_side(first, second)
    # what was found is shown also where the page can't be written
    if arguments.json:
        json.dump(explanation.to_json(), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        from rich.console import Console

        from sonde.views import terminal

        terminal.show(explanation.document(), Console())
    if arguments.out:
        explanation.to_html(arguments.out)
        if not arguments.json:
            print(f"report written to {arguments.out}")
    return 0


def places_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Where the bases are kept that are attached, by site.

    Arguments:
        arguments: of the command.

    Raises:
        InputError: no site or no place, a site that is named twice, another model beside the one whose sites these are.
    """
    places: dict[str, str] = {}
    for word in arguments.bases:
        site, _, place = word.partition("=")
        if not site or not place or site in places:
            raise InputError(f"--basis {word}: give a site and what is attached there, as in blocks.1.resid_post=shipped, each site once")
        places[site] = place
    if places and arguments.beside_model is not None:
        raise InputError("--basis is of the sites of one model: leave --beside-model out, or --basis")
    return places
