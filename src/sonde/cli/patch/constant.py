"""`sonde patch constant`: which constant costs least where it stands in a place, and what does it cost?"""

import argparse
import time
from typing import Any

from sonde.cli.patch.shared import add_options, opened
from sonde.cli.printing import report
from sonde.results import InputError, SondeError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "constant",
        help="what the best constant in a place costs",
        description="Find the constant under which the model loses least on half of the examples (optimal ablation), and tell on the others what it "
        "costs beside the mean and zero.",
    )
    action.add_argument("--site", action="append", metavar="SITE", required=True, help="where; again for several")
    action.add_argument("--over", default="all", choices=("all", "position"), help="one for all positions, or one for each (default: %(default)s)")
    action.add_argument("--steps", type=int, default=200, metavar="N", help="of the search (default: %(default)s)")
    add_options(action, n=32)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Find the constants, then print or write what was asked for."""
    start = time.perf_counter()
    model, task = opened(arguments)
    from sonde.evidence import corrected
    from sonde.patching import optimal_constant
    from sonde.patching.optimal import WRITTEN

    found, failed = [], []
    for site in arguments.site:
        try:
            found.append(optimal_constant(model, task, site, over=arguments.over, steps=arguments.steps, seed=arguments.seed))
        except SondeError as refusal:
            if len(arguments.site) == 1:
                raise
            failed.append(f"{site} left out: {refusal}")
    if not found:
        raise InputError(f"no constant was found: {'; '.join(failed)}")
    verdicts = corrected([verdict for one in found for verdict in one.check(model)])
    unsettled = [f"{one.site}: the search has not settled; give more --steps" for one in found if not one.converged]
    return report(
        arguments, start, model, "What does the best constant cost?", [one.drawing() for one in found], verdicts, [*task.notes, *failed, *unsettled],
        unit=found[0].unit, n=found[0].held_out.shape[1], searched=found[0].search.shape[1],
        constants=[
            {"site": one.site, "converged": one.converged, "costs": dict(zip(WRITTEN, one.costs.tolist(), strict=True))} for one in found
        ],
    )  # fmt: skip
