"""`sonde vision similarity`: which layers of two networks say the same?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.pairs import add_pair_options, both_opened, both_shown, checking


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "similarity",
        help="which layers of two networks say the same",
        description="Show the same pictures to two networks and compare every layer of one with every layer of the other, at the same places, beside "
        "the same with the pictures in random order: most measures are high for noise.",
    )
    action.add_argument("pictures", metavar="PATH", help="a folder of picture files, or an array (.npy) with numbers from 0 to 1")
    action.add_argument("--layers", nargs="+", required=True, metavar="LAYER", help="modules' paths or sites")
    action.add_argument("--other-layers", nargs="+", metavar="LAYER", help="of the other network (default: the same names)")
    action.add_argument(
        "--measures", nargs="+", default=["debiased_cka", "cka"], metavar="NAME", help="of debiased_cka, cka, svcca, pwcca, rsa, procrustes and "
        "mutual_neighbours (default: the first two)",
    )  # fmt: skip
    add_pair_options(action, 2000)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    shown = both_shown(arguments)
    from sonde.evidence import corrected
    from sonde.results.plain import json_ready
    from sonde.vision import similarity

    model, other = both_opened(arguments)
    found = similarity(
        model, arguments.layers, other, arguments.other_layers or arguments.layers, arguments.pictures, measures=arguments.measures, **shown
    )
    verdicts = []
    if arguments.check:
        verdicts = corrected(found.check(model, other, arguments.pictures, **checking(arguments)))
    return report(
        arguments, start, model, "Which layers say the same?", [found.drawing()], verdicts, found.notes, other=found.other, other_hash=other.hash,
        layers=found.layers, other_layers=found.other_layers, measures=found.measures, pictures=found.pictures,
        pairs=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
