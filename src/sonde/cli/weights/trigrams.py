"""`sonde weights trigrams`: which skip-trigrams do heads raise, lower and force?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, add_text_options, opened_rows


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "trigrams",
        help="which skip-trigrams do heads raise, lower and force?",
        description='List what each head raises most, as "source ... destination -> out", what it lowers, and what its form forces besides, with how '
        "often each stands in a text.",
    )
    add_model_options(action)
    add_text_options(action, contexts=200)
    action.add_argument("--layers", type=int, nargs="+", metavar="L", help="blocks (default: all)")
    action.add_argument("-k", type=count, default=20, metavar="N", help="skip-trigrams of each head (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="hold the heads against those of the same network with its weights permuted")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List them, then print or write them."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.weights import skip_trigrams

    model = load(arguments.model)
    rows, notes = opened_rows(arguments, model)
    found = skip_trigrams(model, arguments.layers, arguments.k, texts=rows, progress=not arguments.json)
    title = "What do heads look for, and what do they make of it?"
    verdicts = found.check(model, seed=arguments.seed, progress=not arguments.json) if arguments.check else []
    return report(arguments, start, model, title, [found.drawing()], verdicts, notes, entries=json_ready(found.to_frame().to_dicts()))
