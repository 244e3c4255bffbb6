"""`sonde superposition phase`: when is a feature left out, given a dimension of its own, or put into superposition?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.superposition.shared import add_training_options, training


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "phase",
        help="the phase diagram of a feature, by experiment and by theory",
        description="Train toy models with one feature more than dimensions at many sparsities and importances of the last one, and hold "
        "what becomes of it against the exact costs.",
    )
    action.add_argument("-n", type=count, default=2, metavar="N", help="features; the dimensions are one fewer (default: %(default)s)")
    action.add_argument("--sparsity", type=float, nargs="+", metavar="S", help="of the columns (default: 8 from 0 to 0.98)")
    action.add_argument("--importance", type=float, nargs="+", metavar="R", help="of the last feature, for the rows (default: 7 from 0.1 to 10)")
    add_training_options(action, seeds=4)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.results.plain import json_ready
    from sonde.superposition import phase_diagram

    axes = {name: getattr(arguments, name) for name in ("sparsity", "importance") if getattr(arguments, name)}
    found = phase_diagram(
        arguments.n, **axes, config=training(arguments), seed=arguments.seed, folder=arguments.folder, progress=not arguments.json
    )  # fmt: skip
    rows = json_ready(found.to_frame().to_dicts())
    return report(arguments, start, None, "What becomes of the last feature?", [found.drawing()], found.check(), cells=rows)
