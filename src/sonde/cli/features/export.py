"""`sonde features export`: the pages of features as one file that opens without network."""

import argparse
import time
from functools import partial
from typing import Any

from sonde.cli.features.pages import add_page_options, extras, opened_model, title
from sonde.cli.printing import print_json, refuse_unwritable
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "export",
        help="write the pages of features as one file",
        description="Write the list of features and a page for each as one HTML file that opens in a browser without network: some 6 kB a feature, "
        "twice that with effects.",
    )
    add_page_options(action)
    action.add_argument("--out", required=True, metavar="FILE", help="the file")
    action.add_argument("--latents", metavar="N", help="which features, such as 0,7,20-29 (default: all)")
    action.add_argument("--effects", action="store_true", help="also what each feature does to the loss in its examples; runs the model for each")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, then say where to."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.features.pages import export

    features, model = opened_model(arguments)
    effects = partial(features.effects, model) if arguments.effects and model is not None else None
    chosen = None if arguments.latents is None else latents(arguments.latents)
    path = export(
        features, arguments.out, chosen, title=title(arguments, features), effects=effects, extras=extras(arguments, features, model),
        progress=not arguments.json,
    )  # fmt: skip
    size, count = path.stat().st_size, features.size if chosen is None else len(set(chosen))
    if arguments.json:
        print_json(arguments, start, model, file=str(path), bytes=size, features=count)
    else:
        print(f"{count:,} features written to {path} ({size / 1e6:,.1f} MB)")
    return 0


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
