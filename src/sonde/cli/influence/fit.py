"""`sonde influence fit`: the curvature of the training loss, kept in a folder."""

import argparse
import time
from typing import Any

from sonde.cli.influence.asked import add_fit_options, add_worker_option, opened, or_waits
from sonde.cli.printing import print_json
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "fit",
        help="fit the curvature of the training loss",
        description="Fit the curvature of the training loss on a corpus and keep it in a folder; what was interrupted goes on there.",
    )
    add_fit_options(action)
    add_worker_option(action)
    action.set_defaults(run=run)


@or_waits
def run(arguments: argparse.Namespace) -> int:
    """Fit, keep, and say what was looked at."""
    start = time.perf_counter()
    if not arguments.folder:
        raise InputError("where shall the curvature be kept? give --folder")
    model, found, notes = opened(arguments)
    covered = found.coverage
    if arguments.json:
        blocks = [{"name": block.name, "weights": block.size, "places": block.places} for block in covered.blocks]
        print_json(
            arguments, start, model, warnings=notes, method=found.method, folder=arguments.folder, examples=found.curvature.examples, blocks=blocks,
            left_out=covered.left_out,
        )  # fmt: skip
        return 0
    print(f"{found.method}: {found.curvature.examples} texts, {covered.weights:,} of {covered.total:,} weights; kept in {arguments.folder}")
    print("\n".join(f"  {note}" for note in notes))
    return 0
