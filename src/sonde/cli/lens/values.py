"""`sonde lens values`: what does each neuron of an MLP promote?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.lens.shared import add_model_options, add_output_options
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "values",
        help="what does each neuron promote?",
        description="Read the value vector of every neuron on the vocabulary, beside the same vectors with their entries shuffled.",
    )
    add_value_options(action)
    action.add_argument("--most", type=count, default=200, metavar="N", help="neurons in the JSON, the clearest first (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def add_value_options(action: argparse.ArgumentParser) -> None:
    """Register whose vectors are read, and how."""
    add_model_options(action)
    action.add_argument("--layer", type=int, action="append", metavar="L", help="this block only; again for several (default: all)")
    action.add_argument("-k", type=count, default=10, metavar="N", help="tokens of each vector (default: %(default)s)")
    action.add_argument("--draws", type=count, default=3, metavar="N", help="shuffles of each vector (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the shuffles (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Read, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import value_vectors
    from sonde.loading import load

    model = load(arguments.model)
    found = value_vectors(model, arguments.layer, arguments.k, arguments.draws, arguments.seed, progress=not arguments.json)
    clearest = found.to_frame().sort("score", descending=True).head(arguments.most)
    return report(
        arguments, start, model, "What do neurons promote?", [found.drawing()], found.check(model),
        rows=clearest.to_dicts(), stand_out={str(layer): neurons for layer, neurons in found.stand_out.items()},
    )  # fmt: skip
