"""`sonde probe illusion`: do directions hold what they flip, or do they only wake a path that sleeps?"""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_output_options
from sonde.cli.probe.pairs import add_pair_options, opened, searched, swapped
from sonde.results import InputError
from sonde.results.plain import number


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "illusion",
        help="do directions hold what they flip, or only push it?",
        description="Split directions of a place by what the weights that read it can see, and patch along each part and the whole place: directions "
        "whose effect needs the part that nobody reads are an illusion. They are searched for on half of the examples, or given.",
    )
    add_pair_options(action)
    action.add_argument("--directions", type=Path, metavar="FOLDER", help="directions that `sonde probe subspace --save` kept")
    action.add_argument("--reader", action="append", metavar="SITE", help="what reads the place; again for several (default: by the architecture)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Test, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde import bases
    from sonde.probing import illusion

    model, task = opened(arguments)
    if arguments.directions is None:
        search, task = task.split(arguments.seed)
        subspace = searched(arguments, model, search).subspace
    else:
        kept = bases.load(arguments.directions)
        if not isinstance(kept, bases.Subspace):
            raise InputError(f"{arguments.directions} keeps {kept!r}: give directions that `sonde probe subspace --save` kept")
        subspace = kept
    found = illusion(model, task, arguments.site, subspace, arguments.reader, draws=arguments.draws, seed=arguments.seed)
    row, null = found.lengths
    apart = dict(zip(("directions", "row", "null"), map(number, found.separation.tolist()), strict=True))
    return report(
        arguments, start, model, "Do the directions hold it?", [found.drawing()], found.check(model), task.notes, site=found.site,
        outcome=found.outcome, reason=found.reason, dormant=found.dormant, readers=list(found.readers), rank=found.rank, width=found.width,
        lengths={"row": row, "null": null}, separation=apart, differing=int(found.swaps.differs.sum()), swaps=swapped(found.swaps),
    )  # fmt: skip
