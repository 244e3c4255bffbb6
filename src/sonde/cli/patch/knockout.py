"""`sonde patch knockout`: what is lost when some tokens may not look at some others?"""

import argparse
import time
from typing import Any

from sonde.cli.patch.shared import add_options, halves, opened
from sonde.cli.printing import report
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "knockout",
        help="what is lost when tokens may not look at others",
        description="Block attention from queries to keys in a window of layers around each layer, and see what becomes of the answer.",
    )
    action.add_argument(
        "--queries", action="append", metavar="POS", help="who may not look: a number, a span of the task, 2:5 (default: -1, the last token)"
    )
    action.add_argument("--keys", action="append", metavar="POS", required=True, help="at whom, likewise; again, with --queries, for several")
    action.add_argument("--window", type=int, default=1, metavar="N", help="layers that are blocked together, 0 for all (default: %(default)s)")
    action.add_argument("--head", type=int, action="append", metavar="H", help="only these heads may not look; again for several (default: all)")
    action.add_argument("--check", action="store_true", help="test each on half of the examples against random other places")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Block the looks, then print or write what was asked for."""
    start = time.perf_counter()
    queries = arguments.queries or ["-1"] * len(arguments.keys)
    if len(queries) != len(arguments.keys):
        raise InputError(f"--queries is given {len(queries)} times and --keys {len(arguments.keys)} times: give one of each for every knockout")
    model, task = opened(arguments)
    from sonde.evidence import corrected
    from sonde.patching import attention_knockout
    from sonde.results.plain import json_ready

    search, judged = halves(arguments, task) if arguments.check else (task, task)
    found = attention_knockout(model, search, list(zip(queries, arguments.keys, strict=True)), arguments.window or None, arguments.head)
    verdicts = corrected(found.check(model, judged, seed=arguments.seed)) if arguments.check else []
    return report(
        arguments, start, model, "What is lost when these looks are blocked?", [found.drawing()], verdicts, task.notes, unit=found.unit,
        n=len(found.clean), clean=float(found.clean.mean()), corrupt=float(found.corrupt.mean()),
        knockouts=[
            {"look": look, "windows": json_ready(found.windows), "change": found.change[i].tolist()} for i, look in enumerate(found.looks)
        ],
    )  # fmt: skip
