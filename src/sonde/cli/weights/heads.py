"""`sonde weights heads`: what does each attention head do?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, refuse_heads


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "heads",
        help="what does each attention head do?",
        description="Name every head by where it looks in random words said twice and by what it writes, beside heads of the same network with its "
        "weights permuted; all names are judged together.",
    )
    add_model_options(action)
    action.add_argument("-n", type=count, default=32, metavar="N", help="rows of random words (default: %(default)s)")
    action.add_argument("--networks", type=count, default=5, metavar="N", help="how often the weights are permuted (default: %(default)s)")
    action.add_argument("--head", nargs="+", default=[], metavar="L.H", help="heads to show alone, such as 1.3 (default: those with a name)")
    action.add_argument("--check", action="store_true", help="hold the names against new rows, words and permutations")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Name the heads, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.weights import label_heads

    model = load(arguments.model)
    refuse_heads(model, arguments.head)
    found = label_heads(model, arguments.n, arguments.networks, arguments.seed, progress=not arguments.json)
    labels = found.labels()
    verdicts = found.check(model, arguments.seed + 1) if arguments.check else [label.verdict for label in labels]
    return report(
        arguments, start, model, "What do the heads do?", [found.drawing(), found.table(), found.pages(arguments.head)], verdicts,
        named=[{"head": one.head, "name": one.name, "value": one.value, "interval": one.interval} for one in labels],
        entries=json_ready(found.to_frame().to_dicts()), left_out=found.left_out,
    )  # fmt: skip
