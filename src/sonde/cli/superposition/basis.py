"""`sonde superposition basis`: are the coordinates of a place in a model special?"""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.superposition.shared import add_output_options
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "basis",
        help="are the coordinates of a place in a model special?",
        description="Compare activations in their own coordinates with the same activations turned at random: excess kurtosis, the share "
        "of the largest coordinate, sparseness.",
    )
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--texts", metavar="FILE", help="a text a line (default: documents of the small world)")
    action.add_argument("--sites", nargs="+", metavar="SITE", help="names or globs (default: the residual stream and the neurons after each block)")
    action.add_argument("-n", type=count, default=100, metavar="N", help="texts (default: %(default)s)")
    action.add_argument("--rotations", type=count, default=100, metavar="N", help="of the control (default: %(default)s)")
    action.add_argument("--first", action="store_true", help="count the first token of each text, too")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    texts = opened_texts(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.superposition import privileged_basis

    model = load(arguments.model)
    found = privileged_basis(
        model, texts, arguments.sites, arguments.rotations, first=arguments.first, seed=arguments.seed, progress=not arguments.json
    )  # fmt: skip
    rows = json_ready(found.to_frame().to_dicts())
    return report(arguments, start, model, "Is the basis privileged?", [found.drawing()], found.check(model), found.notes, sites=rows)


def opened_texts(arguments: argparse.Namespace) -> list[str]:
    """The texts that are meant, the first ones of a file or documents of the small world."""
    if arguments.texts is None:
        from sonde.specimens.words import documents

        return [document.text for document in documents(n=arguments.n, seed=arguments.seed)]
    try:
        lines = Path(arguments.texts).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the texts in {arguments.texts} can't be read ({error}): give a file with a text a line") from None
    texts = [line for line in lines if line.strip()][: arguments.n]
    if not texts:
        raise InputError(f"{arguments.texts} holds no text: give a file with a text a line")
    return texts
