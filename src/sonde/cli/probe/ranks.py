"""`sonde probe ranks`: how much is lost with each further direction that is taken out?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_data_options, add_output_options, add_reading_options, one_site, opened_data
from sonde.cli.probe.behaving import add_behaviour_options, behaviour
from sonde.results.plain import json_ready


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "ranks",
        help="how much is lost with each further direction?",
        description="Take one, two, four, ... directions of a property out of a model's states at one site, and say what the model loses and what a "
        "probe still tells, beside as many random directions. Give the site with --sites.",
    )
    add_data_options(action)
    add_reading_options(action)
    action.add_argument("--ranks", nargs="+", type=int, metavar="N", help="how many directions (default: 0, 1, 2, 4, ... and all that are found)")
    action.add_argument("--draws", type=count, default=10, metavar="N", help="random subspaces (default: %(default)s)")
    add_behaviour_options(action)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take out, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    site = one_site(arguments)
    from sonde.loading import load
    from sonde.probing import rank_curve

    model, data = load(arguments.model), opened_data(arguments)
    found = rank_curve(
        model, data, behaviour(arguments, model), site, arguments.ranks, arguments.draws, arguments.pooling, arguments.seed,
        progress=not arguments.json,
    )  # fmt: skip
    title = f"How much is lost with each direction of {data.name}?"
    return report(
        arguments, start, model, title, [found.drawing()], found.check(model), found.notes, concept=found.concept, site=found.site,
        measures=found.measures, entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
