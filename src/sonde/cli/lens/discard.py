"""`sonde lens discard`: is the input token discarded?"""

import argparse
import time
from typing import Any

from sonde.cli.lens.shared import add_model_options, add_output_options, add_text_options, opened_rows
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "discard",
        help="is the input token discarded?",
        description="Follow the token at each position through the layers: its rank in the readout, and whether a linear probe still names it.",
    )
    add_model_options(action)
    add_text_options(action, 24)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Follow, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import input_discard
    from sonde.loading import load

    model = load(arguments.model)
    found = input_discard(model, opened_rows(arguments, model), seed=arguments.seed)
    return report(
        arguments, start, model, "Is the input token discarded?", [found.drawing()], found.check(model), found.notes,
        layers=found.layers, n=found.probed.shape[1], rows=found.to_frame().to_dicts(),
    )  # fmt: skip
