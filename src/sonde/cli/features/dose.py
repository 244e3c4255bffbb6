"""`sonde features dose`: how does a property of the output follow the strength of a feature?"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import opened_task
from sonde.cli.features.attached import activity_of, add_use_options, opened_use
from sonde.cli.printing import report
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.features import TextProperty, TokenSet


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "dose",
        help="how an output follows a feature's strength",
        description="A property of the output at several strengths of a feature, beside random features of equal density and random directions.",
    )
    action.add_argument("prompts", nargs="*", metavar="PROMPT", help="what is asked; or --task")
    action.add_argument("--task", metavar="NAME|FILE", help="a shipped task, a template, or a file of examples: its metric is the property")
    action.add_argument("--feature", type=int, required=True, metavar="N", help="the number of a feature")
    action.add_argument("--token", action="append", metavar="T", help="the property: the next token is this one, or one of several")
    action.add_argument("--matching", metavar="REGEX", help="the property: a regular expression is found in what is written")
    action.add_argument("--words", nargs="+", metavar="WORD", help="the property: the share of these words in what is written")
    action.add_argument("--dose", type=float, nargs="+", metavar="X", help="strengths, in multiples of the largest activation")
    action.add_argument("--add", dest="how", action="store_const", const="add", default="clamp", help="raise the feature instead of setting it")
    action.add_argument("--draws", type=int, default=6, metavar="N", help="random features, and random directions (default: %(default)s)")
    action.add_argument("--claim", choices=("rises", "falls"), help="test whether the property does so")
    add_task_options_once(action)
    add_use_options(action, seed=False)
    action.set_defaults(run=run)


def add_task_options_once(action: argparse.ArgumentParser) -> None:
    """Register how the examples of a task are made; the model is registered with the features."""
    action.add_argument("-n", type=int, default=16, metavar="N", help="how many examples of a task (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.set_defaults(bos=None, kind=None, format=None)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print or write what was asked for."""
    start = time.perf_counter()
    if (arguments.task is None) == (not arguments.prompts):
        raise InputError("give the prompts, or a task with --task: one of both")
    from sonde.features import dose_response
    from sonde.features.dose_response import DOSES

    model, site = opened_use(arguments)
    wanted = _property(arguments, model)
    if wanted is None and arguments.task is None:
        raise InputError("say which property is measured: --token, --matching or --words; a --task has a metric of its own")
    inputs = arguments.prompts if arguments.task is None else opened_task(arguments, model)
    found = dose_response(
        model, site, arguments.feature, inputs, activity_of(arguments, model, site), wanted, arguments.dose or DOSES, arguments.how, arguments.draws,
        seed=arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    verdicts = found.check(model, arguments.claim) if arguments.claim else []
    return report(
        arguments, start, model, "Does the property follow the feature?", [found.drawing()], verdicts, site=site, feature=found.feature,
        unit=found.unit, doses=list(found.doses), base=found.base.tolist(), values=found.values.tolist(),
        controls={"features": found.others, "by_feature": found.features.mean(-1).tolist(), "by_direction": found.directions.mean(-1).tolist()},
    )  # fmt: skip


def _property(arguments: argparse.Namespace, model: "Model") -> "TokenSet | TextProperty | None":
    """The property that is meant; a task's own metric where none is."""
    from sonde.features import TokenSet, matching, share_of

    given = [name for name in ("token", "matching", "words") if getattr(arguments, name)]
    if len(given) > 1:
        raise InputError(f"one property at a time: give --{given[0]} or --{given[1]}")
    if arguments.token:
        return TokenSet.of(model, arguments.token)
    return matching(arguments.matching) if arguments.matching else share_of(arguments.words) if arguments.words else None
