"""`sonde patch interchange`: does the answer go along when some coordinates of a place are taken from the counterfactual?"""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.patch.shared import add_options, opened
from sonde.cli.printing import report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "interchange",
        help="whether coordinates of a place hold the answer",
        description="Take some coordinates of a place from the counterfactual, and see whether the answer goes along: beside everything but them, "
        "the whole place, and random subspaces of the same dimension.",
    )
    action.add_argument("--site", metavar="SITE", required=True, help="where, such as 'blocks.2.resid_post[pos=-1]'")
    action.add_argument("--basis", type=Path, metavar="FOLDER", help="coordinates that sonde.bases.save kept (default: the place's own entries)")
    action.add_argument("--dim", type=int, action="append", metavar="N", help="these coordinates only; again for several (default: all)")
    action.add_argument("--draws", type=int, default=10, metavar="N", help="random subspaces (default: %(default)s)")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Swap the coordinates, then print or write what was asked for."""
    start = time.perf_counter()
    model, task = opened(arguments)
    from sonde import bases
    from sonde.patching import interchange

    basis = None if arguments.basis is None else bases.load(arguments.basis)
    found = interchange(model, task, arguments.site, basis, arguments.dim, arguments.draws, arguments.seed)
    accuracy = [None if share != share else share for share in found.accuracy.tolist()]
    return report(
        arguments, start, model, "Does the answer become the counterfactual's?", [found.drawing()], found.check(model), task.notes, unit=found.unit,
        n=len(found.clean), site=found.site, size=found.size, width=found.width, differing=int(found.differs.sum()),
        swaps=[
            {"swapped": name, "accuracy": share, "change": change}
            for name, share, change in zip(found.swaps, accuracy, found.change.tolist(), strict=True)
        ],
    )  # fmt: skip
