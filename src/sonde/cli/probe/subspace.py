"""`sonde probe subspace`: which directions of a place hold what tells prompts from their counterfactuals?"""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_output_options
from sonde.cli.probe.pairs import add_pair_options, opened, searched, swapped
from sonde.results.plain import number


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "subspace",
        help="which directions hold what tells prompts from counterfactuals?",
        description="Search for directions of a place along which the answer goes over to the counterfactual's (distributed alignment search), and "
        "judge them on other examples: beside the whole place, directions that need no search, random ones, and the same search in a permuted model.",
    )
    add_pair_options(action)
    action.add_argument("--save", type=Path, metavar="FOLDER", help="keep the directions as a basis, for `illusion` and `sonde patch interchange`")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde import bases

    model, task = opened(arguments)
    found = searched(arguments, model, task)
    if arguments.save is not None:
        bases.save(found.subspace, arguments.save)
    return report(
        arguments, start, model, "Which directions hold it?", [found.drawing()], found.check(model), task.notes, site=found.site,
        size=found.subspace.size, width=found.width, n=len(found.held.before), differing=int(found.held.differs.sum()),
        swaps=swapped(found.held), permuted=number(found.broken.accuracy[0]), chosen_by=found.chosen_by.tolist(),
    )  # fmt: skip
