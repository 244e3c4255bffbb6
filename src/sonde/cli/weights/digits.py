"""`sonde weights digits`: which heads count by the last digit?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, refuse_heads


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "digits",
        help="which heads count by the last digit?",
        description="How much each head, looking at a number, raises the numbers of other decades that end in the next digit, beside "
        "shuffled digits.",
    )
    add_model_options(action)
    action.add_argument("--draws", type=count, default=20, metavar="N", help="how often the digits are shuffled (default: %(default)s)")
    action.add_argument("--head", nargs="+", default=[], metavar="L.H", help="heads to show (default: those that count, or the nearest)")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.drawing import tabs
    from sonde.results.plain import json_ready
    from sonde.weights import last_digits

    model = load(arguments.model)
    refuse_heads(model, arguments.head)
    found = last_digits(model, arguments.draws, arguments.seed)
    named = found.named()
    shown = arguments.head or named or [found.nearest]
    tables = tabs("Which last digits do they raise?", [(head, found.table(head)) for head in shown])
    notes = [f"{len(found.numbers)} numbers are single tokens", *([] if named else ["no head counts by the last digit"])]
    return report(
        arguments, start, model, "Which heads count by the last digit?", [found.drawing(), tables], found.check(model), notes, named=named,
        chance=found.chance, numbers=found.numbers, entries=json_ready(found.by_head().to_dicts()),
    )  # fmt: skip
