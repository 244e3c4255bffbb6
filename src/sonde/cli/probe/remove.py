"""`sonde probe remove`: what is left of a concept, once it is taken out of a model's states?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_data_options, add_output_options, add_reading_options, opened_data, relabelled

ERASERS = ("leace", "mean", "inlp")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "remove",
        help="take a concept out of a model's states",
        description="Take a concept out of a model's states, by LEACE, mean projection or INLP, and say what a linear probe and an MLP still tell, "
        "beside random directions.",
    )
    add_data_options(action)
    add_reading_options(action)
    add_eraser_options(action)
    action.add_argument("--main", metavar="NAME", help="another property, field or column of the same examples, which should survive")
    add_output_options(action)
    action.set_defaults(run=run)


def add_eraser_options(action: argparse.ArgumentParser, draws: int = 5) -> None:
    """Register how the concept is taken out.

    Arguments:
        action: the parser.
        draws: how many random erasers by default.
    """
    action.add_argument("--eraser", choices=ERASERS, default="leace", help="how it is taken out (default: %(default)s)")
    action.add_argument("--draws", type=count, default=draws, metavar="N", help="random erasers of each kind of control (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Remove, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import remove
    from sonde.results.plain import json_ready

    data = opened_data(arguments)
    main = relabelled(arguments, arguments.main, whole=True) if arguments.main else None
    model = load(arguments.model)
    found = remove(
        model, data, arguments.sites, arguments.eraser, main, arguments.pooling, arguments.draws, arguments.seed, progress=not arguments.json
    )  # fmt: skip
    return report(
        arguments, start, model, f"What is left of {found.concept}?", [found.drawing()], found.check(model), found.notes, concept=found.concept,
        eraser=found.kind, entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
