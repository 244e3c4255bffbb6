"""`sonde weights paths`: by which paths does the model prefer one token to another?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "paths",
        help="by which paths does it prefer one token to another?",
        description="Expand the logits of one prediction into paths: sources, heads and virtual heads, which add up to what the model says. "
        "Attention patterns and scales of norms are held.",
    )
    action.add_argument("prompt", help="a text")
    action.add_argument("--target", required=True, metavar="TOKEN", help='the token asked about, such as " are"')
    action.add_argument("--foil", metavar="TOKEN", help="the token that it is compared with (default: the mean of all)")
    action.add_argument("--linear", action="store_true", help="let paths go through MLPs, with each neuron's slope held")
    action.add_argument("--check", metavar="TASK", help="other prompts, of a task such as agreement, on which the strongest paths are tested")
    action.add_argument("-n", type=count, default=16, metavar="N", help="examples of that task (default: %(default)s)")
    add_model_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Expand, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.tasks import load as load_task
    from sonde.weights import paths

    model = load(arguments.model)
    task = load_task(arguments.check, model, n=arguments.n, seed=arguments.seed) if arguments.check else None
    found = paths(model, arguments.prompt, arguments.target, arguments.foil, arguments.linear, progress=not arguments.json)
    verdicts = found.check(model, task, seed=arguments.seed, progress=not arguments.json) if task is not None else []
    orders = [{"order": order, "value": value} for order, value in found.by_order.items()]
    return report(
        arguments, start, model, "Which paths make the prediction?", [found.drawing()], verdicts, total=found.total, sum=float(found.values.sum()),
        orders=json_ready(orders), entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
