"""`sonde features contributions`: what do features contribute to an answer, or to what is said after one text?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count, opened_task
from sonde.cli.features.attached import activity_of, add_use_options, opened_use
from sonde.cli.features.dose import add_task_options_once
from sonde.cli.printing import report
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "contributions",
        help="what features contribute to an answer",
        description="Of a task: what the features contribute to the answer, directly and in all, verified by ablation. Of one text: which features "
        "are active on which token, and what each does there.",
    )
    action.add_argument("--task", metavar="NAME|FILE", help="a shipped task, a template, or a file of examples")
    action.add_argument("--text", metavar="TEXT", help="one text instead, token by token")
    action.add_argument("--top", type=count, metavar="N", help="features that are shown (default: 10 of a task, 5 of a token)")
    action.add_argument("--check", action="store_true", help="test on half of the examples whether the answer needs them, beside features like them")
    add_task_options_once(action)
    add_use_options(action, seed=False)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take the answer apart, then print or write what was asked for."""
    start = time.perf_counter()
    if (arguments.task is None) == (arguments.text is None):
        raise InputError("give a task with --task, or a text with --text: one of both")
    if arguments.text is not None and arguments.check:
        raise InputError("a single text proves nothing: leave --check out, or give a task")
    from sonde.features import analyse, feature_contributions

    model, site = opened_use(arguments)
    if arguments.text is not None:
        read = analyse(model, site, arguments.text, top=arguments.top or 5)
        title = "Which features matter on which token?"
        return report(
            arguments, start, model, title, [read.drawing()], site=site, unit=read.unit, contributions=read.to_frame().to_dicts(), n=1
        )  # fmt: skip
    task = opened_task(arguments, model)
    search, judged = task.split(arguments.seed) if arguments.check else (task, task)
    found = feature_contributions(model, site, search, top=arguments.top or 10)
    verdicts = found.check(model, judged, activity_of(arguments, model, site), seed=arguments.seed) if arguments.check else []
    return report(
        arguments, start, model, "What do features contribute?", [found.drawing()], verdicts, task.notes, site=site, unit="logits",
        contributions=found.to_frame().to_dicts(), n=len(found.metric),
    )  # fmt: skip
