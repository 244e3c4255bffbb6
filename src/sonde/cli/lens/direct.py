"""`sonde lens direct`: what does each part write straight into the answer?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import add_task_options, opened_task
from sonde.cli.lens.shared import add_output_options
from sonde.cli.printing import refuse_unwritable, report
from sonde.results import InputError

NORMS = ("frozen", "linear", "removed")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "direct",
        help="what does each part write into the answer?",
        description="Take the logit difference of target and foil apart by embeddings, heads and MLPs; what is made of the final norm is stated.",
    )
    action.add_argument("--task", default="ioi", metavar="NAME|FILE", help="a shipped task, a template or a file (default: %(default)s)")
    action.add_argument("--norm", choices=NORMS, default="frozen", help="what is made of the final norm's scale (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="test on half of the examples whether the strongest parts write the answer")
    add_task_options(action, 32)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take apart, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import direct_contributions
    from sonde.lens.reading import readable
    from sonde.loading import load

    model = load(arguments.model)
    readable(model)
    task = opened_task(arguments, model)
    if arguments.check and len(task) < 4:
        raise InputError(f"--check chooses on one half and tests on the other, and there are {len(task)} examples: ask for -n 16 or more")
    search, judged = task.split(arguments.seed) if arguments.check else (task, task)
    found = direct_contributions(model, search, norm=arguments.norm)
    verdicts = found.check(model, judged, arguments.seed) if arguments.check else []
    means = found.values.mean(1).tolist()
    rows = [{"part": name, "contribution": mean} for name, mean in zip(found.names, means, strict=True)]
    drawings = [found.drawing(), found.head_grid()]
    return report(
        arguments, start, model, "What does each part write into the answer?", drawings, verdicts, task.notes,
        norm=found.norm, unit=found.unit, n=len(found.metric), difference=float(found.metric.mean()), remainder=float(found.remainder.mean()),
        rows=rows,
    )  # fmt: skip
