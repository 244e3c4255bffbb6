"""`sonde lens convert`: take over a lens that the tuned-lens library trained."""

import argparse
import time
from typing import Any

from sonde.cli.lens.shared import add_model_options
from sonde.cli.printing import print_json


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "convert",
        help="take over a lens of the tuned-lens library",
        description="Read its config.json and params.pt without unpickling, hold them against the model, and write an artifact.",
    )
    action.add_argument("source", metavar="SOURCE", help="the folder that the library wrote")
    action.add_argument("folder", metavar="FOLDER", help="where the artifact goes")
    add_model_options(action)
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert, then say where it is."""
    start = time.perf_counter()
    from sonde.lens import read_checkpoint
    from sonde.loading import load

    model = load(arguments.model)
    lens = read_checkpoint(arguments.source, model)
    place = lens.save(arguments.folder)
    if arguments.json:
        print_json(arguments, start, model, warnings=lens.notes, folder=str(place), layers=lens.layers)
    else:
        print("\n".join([*lens.notes, f"kept in {place}: how well it reads tells `sonde lens judge {place}`"]))
    return 0
