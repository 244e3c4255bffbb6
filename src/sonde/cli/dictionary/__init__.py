"""`sonde dictionary`: sparse dictionaries of a model's activations; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.dictionary import collect, compare, convert, evaluate, train

ACTIONS: tuple[ModuleType, ...] = (collect, train, convert, evaluate, compare)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "dictionary",
        help="in which features does a model think?",
        description="Sparse dictionaries of a model's activations.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
