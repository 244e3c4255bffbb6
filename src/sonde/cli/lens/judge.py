"""`sonde lens judge`: how well does a tuned lens read other text, and what of that has it computed itself?"""

import argparse
import time
from typing import Any

from sonde.cli.lens.shared import add_model_options, add_output_options, add_text_options, opened_lens, opened_rows
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "judge",
        help="how well does a tuned lens read?",
        description="Read text by a tuned lens and by the logit lens, and hold each layer against what the lens makes of the embeddings alone.",
    )
    action.add_argument("folder", metavar="FOLDER", help="of the lens")
    add_model_options(action)
    add_text_options(action, 100)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import judge
    from sonde.loading import load

    lens, model = opened_lens(arguments.folder), load(arguments.model)
    quality = judge(model, lens, opened_rows(arguments, model), progress=not arguments.json)
    return report(
        arguments, start, model, "How well does the tuned lens read?", [quality.drawing()], quality.check(model), quality.notes,
        layers=quality.layers, n=quality.logit_kl.shape[1], rows=quality.to_frame().to_dicts(),
    )  # fmt: skip
