"""`sonde superposition split`: when does cross-entropy prefer a neuron that stands for two things?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.superposition.shared import add_output_options


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "split",
        help="when does cross-entropy prefer a neuron for two things?",
        description="Train one binary neuron between four things and a guess at them, for several probabilities of the first, beside exact costs.",
    )
    action.add_argument("--p", type=float, nargs="+", metavar="P", help="probabilities of the first thing (default: 0.2 to 0.6)")
    action.add_argument("--seeds", type=count, default=12, metavar="N", help="neurons of each; the best counts (default: %(default)s)")
    action.add_argument("--steps", type=count, default=300, metavar="N", help="updates (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the weights (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.results.plain import json_ready
    from sonde.superposition import split_preference

    axis = {"p": arguments.p} if arguments.p else {}
    found = split_preference(**axis, seeds=arguments.seeds, steps=arguments.steps, seed=arguments.seed)
    rows = json_ready(found.to_frame().to_dicts())
    title = "When does one neuron stand for two things?"
    return report(arguments, start, None, title, [found.drawing()], found.check(), cases=rows, switch=found.switch)
