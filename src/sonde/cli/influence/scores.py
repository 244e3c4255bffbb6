"""`sonde influence scores`: the influence of every training text, by layer and by token."""

import argparse
import time
from typing import Any

from sonde.cli.influence.asked import add_fit_options, add_query_options, opened, or_waits
from sonde.cli.influence.scale import add_scale_options, answered
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "scores",
        help="the influence of every training text on what it says",
        description="The influence of every training text on the loss of a prompt or its completion; taken apart with --by.",
    )
    add_query_options(action)
    add_fit_options(action)
    add_scale_options(action)
    action.add_argument("--by", choices=("module", "token"), help="take the scores apart by block of weights, or by token of the training text")
    action.set_defaults(run=run)


@or_waits
def run(arguments: argparse.Namespace) -> int:
    """Score, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.results.plain import json_ready

    model, found, notes = opened(arguments)
    scores = answered(arguments, found, "scores", by=arguments.by)
    if scores.method != found.method:
        notes = [note for note in notes if note != found.method] + [scores.method]
    rows = scores.to_frame().sort("tau", descending=True).to_dicts()
    return report(
        arguments, start, model, "From which training texts does it have that?", [scores.drawing(arguments.k)], (), notes, method=scores.method,
        sign=scores.sign, n=scores.n, query_value=float(scores.query_values[0]), rows=json_ready(rows),
    )  # fmt: skip
