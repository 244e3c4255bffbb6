"""`sonde superposition solu`: does lateral inhibition make neurons interpretable, and at which price?"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.superposition.shared import add_output_options
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.superposition import Size

ACTIVATIONS = ("gelu", "solu", "ln_solu")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "solu",
        help="train GELU and SoLU language models, and rate their neurons",
        description="Train small language models that differ in their neurons alone, on the small world's documents; rate every neuron by the "
        "80 % test, measure loss and two skills, and what a norm does to weak firings.",
    )
    action.add_argument("--sizes", nargs="+", default=["1x32", "2x32", "2x64"], metavar="LxD", help="layers x width (default: 1x32 2x32 2x64)")
    action.add_argument("--activations", nargs="+", choices=ACTIVATIONS, default=list(ACTIVATIONS), help="(default: all)")
    action.add_argument("--steps", type=count, default=400, metavar="N", help="updates of each model (default: %(default)s)")
    action.add_argument("--rows", type=count, default=8, metavar="N", help="rows of an update (default: %(default)s)")
    action.add_argument("--texts", type=count, default=400, metavar="N", help="documents on which neurons are rated (default: %(default)s)")
    action.add_argument("--folder", metavar="FOLDER", help="keep checkpoints and models here, and go on from them")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, rate, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    sizes = [_size(text) for text in arguments.sizes]
    from sonde.results.plain import json_ready
    from sonde.superposition import LanguageTraining, solu_study

    found = solu_study(
        sizes, arguments.activations, LanguageTraining(arguments.steps, arguments.rows), arguments.texts, arguments.seed, arguments.folder,
        progress=not arguments.json,
    )  # fmt: skip
    models, neurons = json_ready(found.to_frame().to_dicts()), json_ready(found.neurons().to_dicts())
    title = "Does SoLU make neurons interpretable?"
    return report(arguments, start, None, title, [found.drawing()], found.check(), models=models, neurons=neurons)


def _size(text: str) -> "Size":
    from sonde.superposition import Size

    layers, _, width = text.partition("x")
    if not (layers.isdecimal() and width.isdecimal()):
        raise InputError(f"size {text!r}: give layers x width, such as 2x64")
    return Size(int(layers), int(width))
