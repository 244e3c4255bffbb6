"""`sonde probe amnesic`: does a model use what it encodes?"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count, opened_task
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_data_options, add_output_options, add_reading_options, opened_data, relabelled
from sonde.cli.probe.remove import add_eraser_options
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.tasks import Task


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "amnesic",
        help="does a model use what it encodes?",
        description="Take properties out of a model's states and see what it does worse, at a task or at predicting texts, beside random directions. "
        "Of each property it is said whether it is encoded and used, encoded only, or neither.",
    )
    add_data_options(action)
    add_reading_options(action)
    add_eraser_options(action, draws=20)
    action.add_argument("--also", nargs="+", default=[], metavar="NAME", help="further properties, fields or columns of the same source")
    what = action.add_mutually_exclusive_group()
    what.add_argument(
        "--task", metavar="NAME|FILE", help="what the model does: a shipped task, a template (.yaml, .py: is run), or a file of examples"
    )
    what.add_argument("--texts", metavar="FILE", help="or predicts: texts, one a line (default: other documents of the small world)")
    action.add_argument("--examples", type=count, default=64, metavar="N", help="of the task, or documents (default: %(default)s)")
    action.add_argument("--together", action="store_true", help="take it out at all of the sites together, layer after layer, not at each alone")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take out, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import amnesic
    from sonde.results.plain import json_ready

    properties = [opened_data(arguments), *(relabelled(arguments, name) for name in arguments.also)]
    model = load(arguments.model)
    sites = [str(site) for site in model.sites(arguments.sites or "blocks.*.resid_post")]
    found = amnesic(
        model, {data.name: data for data in properties}, _done(arguments, model), [sites] if arguments.together else sites, arguments.eraser,
        arguments.draws, arguments.pooling, arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    title = "Does the model use what it encodes?"
    return report(
        arguments, start, model, title, [found.summary(), found.drawing()], found.check(model), found.notes, eraser=found.kind,
        measures=found.measures, intact=[float(one.mean()) for one in found.intact], entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip


def _done(arguments: argparse.Namespace, model: "Model") -> "Task | list[str]":
    """What the model does: a task, or texts that it predicts."""
    if arguments.task:
        asked = {"task": arguments.task, "n": arguments.examples, "seed": arguments.seed, "bos": None, "format": None, "kind": None}
        return opened_task(argparse.Namespace(**asked), model)
    if arguments.texts:
        try:
            lines = Path(arguments.texts).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the texts in {arguments.texts} can't be read: {error}") from None
        return [line for line in lines if line.strip()][: arguments.examples]
    from sonde.specimens.words import documents

    # not those that the erasers were fitted on
    return [document.text for document in documents(n=arguments.examples, seed=arguments.seed + 1)]
