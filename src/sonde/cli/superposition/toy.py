"""`sonde superposition toy`: when does a network store more features than it has dimensions, and in which geometry?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.superposition.shared import add_training_options, training

RELATIONS = ("independent", "correlated", "anticorrelated")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "toy",
        help="train toy models with more features than dimensions",
        description="Train autoencoders with more features than dimensions at several sparsities, all at once, beside linear ones; name the solids "
        "that their features make, and compare the angles with those of random directions.",
    )
    action.add_argument("-n", type=count, default=5, metavar="N", help="features (default: %(default)s)")
    action.add_argument("-m", type=count, default=2, metavar="M", help="dimensions (default: %(default)s)")
    action.add_argument("--sparsity", type=float, nargs="+", default=[0.0, 0.7, 0.9], metavar="S", help="(default: 0 0.7 0.9)")
    action.add_argument("--decay", type=float, default=1.0, metavar="D", help="feature i has importance D^i (default: %(default)s)")
    action.add_argument("--relation", choices=RELATIONS, default="independent", help="of the features of a group (default: %(default)s)")
    action.add_argument("--group", type=count, default=2, metavar="N", help="features of a group (default: %(default)s)")
    add_training_options(action, seeds=8)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.results.plain import json_ready
    from sonde.superposition import packing, toy_models

    found = toy_models(
        arguments.n, arguments.m, arguments.sparsity, arguments.decay, arguments.relation, arguments.group, config=training(arguments),
        seed=arguments.seed, folder=arguments.folder, progress=not arguments.json,
    )  # fmt: skip
    drawings, verdicts = [found.drawing()], found.check()
    if arguments.n > arguments.m:
        sparsest = found.W[found.rectified[-1]].mT
        held = sparsest[(sparsest.norm(dim=-1) > 0).all(-1)]
        packed = packing(held, arguments.seed)
        drawings.append(packed.drawing())
        verdicts += packed.check()
    rows = json_ready(found.to_frame().to_dicts())
    return report(arguments, start, None, "How do features share dimensions?", drawings, verdicts, settings=rows)
