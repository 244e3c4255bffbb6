"""`sonde weights composition`: which heads read what which earlier heads write?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, add_text_options, opened_rows


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "composition",
        help="which heads read what which earlier heads write?",
        description="Score how much of what each head writes reaches the queries, keys and values of later heads, beside maps turned at random; and "
        "test on a text whether the strongest pair works together.",
    )
    add_model_options(action)
    add_text_options(action, contexts=16)
    action.add_argument("--weigh", action="store_true", help="weigh directions by how much heads read of them in the text")
    action.add_argument("--distance", type=int, metavar="N", help="places from query back to key, in a family that rotates them (default: the same)")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score the pairs, then print or write them."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.weights import composition

    model = load(arguments.model)
    rows, notes = opened_rows(arguments, model)
    found = composition(model, rows if arguments.weigh else None, arguments.distance, progress=not arguments.json)
    verdicts = [verdict for kind in found.kinds if kind != "V" for verdict in found.check(model, rows, kind)]
    return report(
        arguments, start, model, "Which heads read what which heads write?", [found.drawing()], verdicts, notes, kinds=found.kinds,
        expected=found.expected, distance=found.distance, left_out=found.left_out, entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
