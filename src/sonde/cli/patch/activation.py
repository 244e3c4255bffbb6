"""`sonde patch activation`: which places carry the answer?"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.patch.shared import ABLATIONS, PLACES, ablation, add_options, entries, halves, opened, places
from sonde.cli.printing import report

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.results import Verdict
    from sonde.tasks import Task


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "activation",
        help="which places carry the answer",
        description="Write the value of each place from one run into the other. Denoising asks whether it is enough, noising whether it is needed.",
    )
    action.add_argument("--sites", action="append", metavar="WHICH", help=f"{PLACES}; again for several (default: heads and mlps)")
    action.add_argument("--direction", default="denoising", choices=("denoising", "noising"), help="(default: %(default)s)")
    action.add_argument("--ablation", default="counterfactual", metavar="KIND", help=f"what noising writes: {ABLATIONS} (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="find heads and MLPs on half of the examples, and test them on the others")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Patch, then print or write what was asked for."""
    start = time.perf_counter()
    kind = ablation(arguments.ablation)
    model, task = opened(arguments)
    from sonde.patching import activation_patching

    groups = places(arguments.sites or ["heads", "mlps"], model, task)
    found = activation_patching(model, task, groups, arguments.direction, ablation=kind)
    plain = entries(found)
    verdicts = _checked(arguments, model, task) if arguments.check else []
    if arguments.sites == ["residual"] and task.length:
        labels = list(task.labels or found.tokens or map(str, range(task.length)))
        numbered = [f"{i} {label}" for i, label in enumerate(labels)]
        drawing = found.grid([str(i) for i in range(model.n_layers)], "block", numbered, "position")
    else:
        drawing = found.drawing()
    return report(arguments, start, model, "Which places carry the answer?", [drawing], verdicts, task.notes, **plain)


def _checked(arguments: argparse.Namespace, model: "Model", task: "Task") -> "list[Verdict]":
    from sonde.evidence import corrected
    from sonde.patching import find_components

    search, evaluate = halves(arguments, task)
    return corrected(find_components(model, search, arguments.seed).check(model, evaluate, arguments.seed))
