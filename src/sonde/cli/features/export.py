"""`sonde features export`: the pages of features as one file that opens without network, or as what Neuronpedia imports."""

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from sonde.cli.features.pages import add_page_options, extras, opened_model, title
from sonde.cli.features.publication import add_publication_options, publication
from sonde.cli.printing import print_json, refuse_unwritable
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.features import Features, Publication


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "export",
        help="write the pages of features as one file, or for Neuronpedia",
        description="Write the list of features and a page for each as one HTML file that opens in a browser without network: some 6 kB a feature, "
        "twice that with effects. With --neuronpedia: the files that Neuronpedia imports, descriptions among them; with --basis also the directions.",
    )
    add_page_options(action)
    action.add_argument("--out", required=True, metavar="FILE", help="the file, or the folder with --neuronpedia")
    action.add_argument("--latents", metavar="N", help="which features, such as 0,7,20-29 (default: all)")
    action.add_argument("--effects", action="store_true", help="also what each feature does to the loss in its examples; runs the model for each")
    add_publication_options(action)
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, then say where to."""
    start = time.perf_counter()
    names = publication(arguments)
    chosen = None if arguments.latents is None else latents(arguments.latents)
    return _pages(arguments, start, chosen) if names is None else _publish(arguments, start, chosen, names)


def _pages(arguments: argparse.Namespace, start: float, chosen: list[int] | None) -> int:
    refuse_unwritable(arguments)
    from sonde.features.pages import export

    features, model = opened_model(arguments)
    effects = partial(features.effects, model) if arguments.effects and model is not None else None
    path = export(
        features, arguments.out, chosen, title=title(arguments, features), effects=effects, extras=extras(arguments, features, model),
        progress=not arguments.json,
    )  # fmt: skip
    size, count = path.stat().st_size, features.size if chosen is None else len(set(chosen))
    if arguments.json:
        print_json(arguments, start, model, **_about(features), file=str(path), bytes=size, features=count)
    else:
        print(f"{count:,} features written to {path} ({size / 1e6:,.1f} MB)")
    return 0


def _publish(arguments: argparse.Namespace, start: float, chosen: list[int] | None, names: "Publication") -> int:
    from sonde.features import export_neuronpedia
    from sonde.features.collecting.directions import added_at

    features, model = opened_model(arguments)
    own = None if features.basis is None else added_at(features.basis, features.writes)
    wanted = range(features.size) if chosen is None else sorted(set(chosen))
    place = export_neuronpedia(features, arguments.out, names, own, wanted, writes=features.writes, progress=not arguments.json)
    described = sum(bool(features.descriptions(latent)) for latent in wanted)
    if arguments.json:
        print_json(arguments, start, model, **_about(features), folder=str(place), features=len(wanted), described=described)
    else:
        print(f"{len(wanted):,} features, {described:,} of them described, written for Neuronpedia to {place}")
    return 0


def _about(features: "Features") -> dict[str, str]:
    """The model, which the database knows also where none was loaded."""
    return {"model": features.about()["model"], "model_hash": features.recipe.model_hash}


def latents(text: str) -> list[int]:
    """Numbers and ranges of numbers.

    Arguments:
        text: such as 0,7,20-29.

    Raises:
        InputError: anything else.

    >>> latents("0,7,20-22")
    [0, 7, 20, 21, 22]
    """
    found: list[int] = []
    for part in text.split(","):
        ends = part.strip().split("-")
        if len(ends) > 2 or not all(end.isdecimal() for end in ends):
            raise InputError(f"--latents {text}: give numbers and ranges, such as 0,7,20-29")
        found += range(int(ends[0]), int(ends[-1]) + 1)
    return found
