"""`sonde weights copying`: which heads raise the tokens that they look at?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "copying",
        help="which heads raise the tokens that they look at?",
        description="The eigenvalues of every head's map from tokens to tokens over the whole vocabulary, beside shuffled tokens.",
    )
    add_model_options(action)
    action.add_argument("--check", action="store_true", help="hold the heads against those of the same network with its weights permuted")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score the heads, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.weights import copying_scores

    model = load(arguments.model)
    found = copying_scores(model, seed=arguments.seed, progress=not arguments.json)
    entries = json_ready(found.to_frame().to_dicts())
    verdicts = found.check(model, seed=arguments.seed, progress=not arguments.json) if arguments.check else []
    title = "Which heads raise the tokens that they look at?"
    return report(arguments, start, model, title, [found.drawing()], verdicts, chance=found.chance, entries=entries)
