"""`sonde influence top`: the training texts that bear most on what it says, in one pass."""

import argparse
import time
from typing import Any

from sonde.cli.influence.asked import add_fit_options, add_query_options, opened, or_waits
from sonde.cli.influence.scale import add_scale_options, answered
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "top",
        help="the training texts that bear most on what it says",
        description="The training texts that lower and that raise the loss of a prompt or its completion most, in one pass over the corpus.",
    )
    add_query_options(action)
    add_fit_options(action)
    add_scale_options(action)
    action.set_defaults(run=run)


@or_waits
def run(arguments: argparse.Namespace) -> int:
    """Look, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.results.plain import json_ready

    model, found, notes = opened(arguments)
    top = answered(arguments, found, "top", k=arguments.k)
    if top.method != found.method:
        notes = [note for note in notes if note != found.method] + [top.method]
    return report(
        arguments, start, model, "From which training texts does it have that?", [top.drawing()], (), notes, method=top.method, sign=top.sign,
        n=top.n, rows=json_ready(top.to_frame().to_dicts()),
    )  # fmt: skip
