"""`sonde weights importance`: which kinds of paths matter on a text?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, add_text_options, opened_rows


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "importance",
        help="which kinds of paths matter on a text?",
        description="The loss with paths up to each order, and without each kind of path, each head and each virtual head. Attention patterns and "
        "scales of norms are held.",
    )
    add_model_options(action)
    add_text_options(action, contexts=8)
    action.add_argument("--linear", action="store_true", help="let paths go through MLPs, with each neuron's slope held")
    action.add_argument("--start", type=count, default=1, metavar="N", help="first token of each row that counts (default: %(default)s)")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.weights import path_importance

    model = load(arguments.model)
    rows, notes = opened_rows(arguments, model)
    found = path_importance(model, rows, arguments.linear, arguments.start, progress=not arguments.json)
    return report(
        arguments, start, model, "Which kinds of paths matter?", [found.drawing()], found.check(model), notes, error=found.error,
        loss=float(found.full.mean()), orders=found.up_to.mean(1).tolist(), entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
