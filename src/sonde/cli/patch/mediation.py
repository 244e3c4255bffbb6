"""`sonde patch mediation`: how much of a change goes through a place, and how much around it?"""

import argparse
import time
from typing import Any

from sonde.cli.patch.shared import PLACES, ablation, add_options, opened, places
from sonde.cli.printing import report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "mediation",
        help="how much goes through a place, and how much around it",
        description="Total, natural direct, natural indirect and controlled effects of the change from the prompts to their counterfactuals.",
    )
    action.add_argument("--mediator", action="append", metavar="WHICH", help=f"{PLACES}; again for several (default: heads and mlps)")
    action.add_argument("--held", default="mean:all", metavar="KIND", help="what a mediator is held at: mean, mean:all, zero (default: %(default)s)")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take the effects apart, then print or write what was asked for."""
    start = time.perf_counter()
    held = ablation(arguments.held)
    model, task = opened(arguments)
    from sonde.patching import mediation
    from sonde.results.plain import json_ready

    found = mediation(model, task, places(arguments.mediator or ["heads", "mlps"], model, task), held)
    rows = json_ready([{key: None if value != value else value for key, value in row.items()} for row in found.to_frame().to_dicts()])
    title = "How much goes through each place?"
    return report(arguments, start, model, title, [found.drawing()], (), task.notes, unit=found.unit, n=len(found.clean), effects=rows)
