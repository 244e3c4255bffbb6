"""`sonde lens basis`: which directions does a lens read, and does the model use them?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.lens.shared import add_model_options, add_output_options, add_text_options, opened_lens, opened_rows
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "basis",
        help="which directions does a lens read, and does the model use them?",
        description="Find the directions of a layer's states without which the lens loses most, put other text's states at their mean along each, "
        "and see what the model loses and whether it changes as the lens does, beside random directions.",
    )
    add_model_options(action)
    action.add_argument("--layer", default="0", metavar="L", help="a row of the lens: embed, 0, 1, ... (default: %(default)s)")
    action.add_argument("--tuned", metavar="FOLDER", help="of this tuned lens, which `sonde lens train` made (default: the logit lens)")
    action.add_argument("-k", type=count, default=4, metavar="N", help="directions (default: %(default)s)")
    action.add_argument("--draws", type=count, default=8, metavar="N", help="random directions (default: %(default)s)")
    action.add_argument("--tokens", type=count, default=512, metavar="N", help="of the text, on which directions are found (default: %(default)s)")
    add_text_options(action, 48)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Find and judge, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import causal_basis
    from sonde.loading import load

    lens = opened_lens(arguments.tuned) if arguments.tuned else None
    model = load(arguments.model)
    rows = opened_rows(arguments, model)
    found = causal_basis(
        model, rows, arguments.layer, lens, arguments.k, arguments.draws, arguments.tokens, seed=arguments.seed, progress=not arguments.json
    )
    return report(
        arguments, start, model, "Is what the lens reads what the model uses?", [found.drawing()], found.check(model), found.notes,
        layer=found.layer, n=found.stimulus.shape[1], rows=found.to_frame().to_dicts(),
    )  # fmt: skip
