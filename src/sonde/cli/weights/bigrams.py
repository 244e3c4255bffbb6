"""`sonde weights bigrams`: which token would follow which, if the model had no layers?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, add_text_options, opened_rows


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "bigrams",
        help="which token would follow which without any layer?",
        description="The table of the direct path, from the embedding straight to the unembedding, beside the bigrams of a text.",
    )
    add_model_options(action)
    add_text_options(action, contexts=200)
    action.add_argument("-k", type=count, default=10, metavar="N", help="next tokens that are kept for each token (default: %(default)s)")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the table, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.weights import bigrams

    model = load(arguments.model)
    rows, notes = opened_rows(arguments, model)
    found = bigrams(model, rows, arguments.k, seed=arguments.seed, progress=not arguments.json)
    return report(
        arguments, start, model, "What does the direct path predict?", [found.drawing()], found.check(model), notes, loss=found.loss,
        entropy=found.entropy, shuffled=float(found.shuffled.mean()), agreement=found.agreement, rows=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
