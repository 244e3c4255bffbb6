"""Which examples a command asks a model: a shipped task, a template of one's own, or a file of examples."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.tasks import Task


def add_task_options(action: argparse.ArgumentParser, n: int) -> None:
    """Register which model is asked, and how the examples of its task are made.

    Arguments:
        action: the parser.
        n: how many examples by default.
    """
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("-n", type=count, default=n, metavar="N", help="how many examples (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--bos", action=argparse.BooleanOptionalAction, default=None, help="put the beginning-of-sequence token first")
    action.add_argument("--kind", metavar="NAME", help="a template's counterfactual, or what is read from a file that holds several things")
    action.add_argument("--format", metavar="NAME", help="the format of a file of examples (default: told from its columns)")


def opened_task(arguments: argparse.Namespace, model: "Model") -> "Task":
    """The examples that are meant."""
    from sonde.tasks import TEMPLATES, read
    from sonde.tasks import load as load_task
    from sonde.tasks.own.loading import ENDINGS

    path = Path(arguments.task).expanduser()
    if arguments.task not in TEMPLATES and path.suffix not in ENDINGS and path.exists():
        return read(path, model, n=arguments.n, seed=arguments.seed, bos=arguments.bos, format=arguments.format, variant=arguments.kind)
    return load_task(arguments.task, model, n=arguments.n, seed=arguments.seed, bos=arguments.bos, counterfactual=arguments.kind)


def count(text: str) -> int:
    """A number of 1 or more, as a type of an option."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)
