"""`sonde influence evaluate`: do scores foretell what training again does?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.influence.asked import KINDS
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "evaluate",
        help="do scores foretell what training again does?",
        description="Judge a method on a problem whose model can be trained again: the linear datamodelling score beside its ceiling, leave-one-out "
        "effects, the loss without the most helpful examples, wrong labels found, and how few examples carry the scores; each beside its controls.",
    )
    action.add_argument(
        "problem", nargs="?", default="digits-softmax", metavar="PROBLEM",
        help="digits-softmax, digits-mlp, or a .py file (is run) that defines one sonde.influence.Problem (default: %(default)s)",
    )  # fmt: skip
    action.add_argument("--kind", choices=(*KINDS, "exact"), default="ekfac", help="of curvature (default: %(default)s)")
    action.add_argument("--damping", type=float, metavar="X", help="absolute damping, chosen beforehand (default: a tenth of each block's mean)")
    action.add_argument("--subsets", type=count, default=50, metavar="N", help="random halves to train on (default: %(default)s)")
    action.add_argument("--seeds", type=count, default=3, metavar="N", help="trainings of each (default: %(default)s)")
    action.add_argument("--left-out", type=int, default=50, metavar="N", help="examples left out one by one, 0 for none (default: %(default)s)")
    action.add_argument("--remove", type=int, nargs="*", default=[10, 20, 50], metavar="K", help="helpful examples taken away (default: 10 20 50)")
    action.add_argument("--queries", type=count, default=10, metavar="N", help="of the counterfactual (default: %(default)s)")
    action.add_argument("--suspects", metavar="FILE", help="write the examples, most self-influence first, as a CSV table to be looked through")
    action.add_argument("--folder", metavar="FOLDER", help="keep finished trainings here, and use what is there")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train again, judge, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.influence import Absolute, Relative
    from sonde.influence.evaluation import evaluate
    from sonde.influence.problems import problem
    from sonde.results import InputError
    from sonde.results.plain import json_ready

    chosen = problem(arguments.problem)
    damping = Relative() if arguments.damping is None else Absolute(arguments.damping)
    found = evaluate(
        chosen, arguments.kind, damping, arguments.subsets, arguments.seeds, arguments.left_out, arguments.remove, arguments.queries, arguments.folder
    )
    if arguments.suspects and found.own is None:
        raise InputError("there are no suspects to write: labels of this problem can't be exchanged")
    if arguments.suspects and found.own is not None:
        found.own.export(arguments.suspects)
    rows = {name: json_ready(part.to_frame().to_dicts()) for name, part in found.parts.items()}
    notes = [found.lds.ceiling_text, *(f"not measured: {reason}" for reason in found.skipped)]
    return report(
        arguments, start, None, "Do the scores foretell what training again does?", found.drawings(), found.verdicts(), notes, problem=chosen.name,
        method=found.method, training=str(chosen.training), lds=json_ready(found.lds.mean),
        lds_intervals=json_ready(dict(zip(found.lds.methods, map(list, found.lds.over_queries), strict=True))), ceiling=found.lds.ceiling,
        leave_one_out=None if found.leave_one_out is None else json_ready(found.leave_one_out.mean), rows=rows,
    )  # fmt: skip
