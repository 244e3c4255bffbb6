"""`sonde probe amnesic`: does a model use what it encodes?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_data_options, add_output_options, add_reading_options, opened_data, relabelled
from sonde.cli.probe.behaving import add_behaviour_options, behaviour
from sonde.cli.probe.remove import add_eraser_options


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "amnesic",
        help="does a model use what it encodes?",
        description="Take properties out of a model's states and see what it does worse, at a task or at predicting texts, beside random directions. "
        "Of each property it is said whether it is encoded and used, encoded only, or neither.",
    )
    add_data_options(action)
    add_reading_options(action)
    add_eraser_options(action, draws=20)
    add_behaviour_options(action)
    action.add_argument("--together", action="store_true", help="take it out at all of the sites together, layer after layer, not at each alone")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take out, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import amnesic
    from sonde.results.plain import json_ready

    properties = [opened_data(arguments), *(relabelled(arguments, name) for name in arguments.also)]
    model = load(arguments.model)
    sites = [str(site) for site in model.sites(arguments.sites or "blocks.*.resid_post")]
    found = amnesic(
        model, {data.name: data for data in properties}, behaviour(arguments, model), [sites] if arguments.together else sites, arguments.eraser,
        arguments.draws, arguments.pooling, arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    title = "Does the model use what it encodes?"
    return report(
        arguments, start, model, title, [found.summary(), found.drawing()], found.check(model), found.notes, eraser=found.kind,
        measures=found.measures, intact=[float(one.mean()) for one in found.intact], entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
