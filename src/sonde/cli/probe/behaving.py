"""What the actions that take properties out are told: which further properties, and what the model does that could suffer."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.cli.asking import count, opened_task
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.tasks import Task


def add_behaviour_options(action: argparse.ArgumentParser) -> None:
    """Register the further properties, and a task or texts.

    Arguments:
        action: the parser.
    """
    action.add_argument("--also", nargs="+", default=[], metavar="NAME", help="further properties, fields or columns of the same source")
    what = action.add_mutually_exclusive_group()
    what.add_argument(
        "--task", metavar="NAME|FILE", help="what the model does: a shipped task, a template (.yaml, .py: is run), or a file of examples"
    )
    what.add_argument("--texts", metavar="FILE", help="or predicts: texts, one a line (default: other documents of the small world)")
    action.add_argument("--examples", type=count, default=64, metavar="N", help="of the task, or documents (default: %(default)s)")


def behaviour(arguments: argparse.Namespace, model: "Model") -> "Task | list[str]":
    """What the model does: a task, or texts that it predicts.

    Arguments:
        arguments: of the command.
        model: does it.
    """
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
