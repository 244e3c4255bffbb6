"""`sonde lens`: what states and weights say when they are read through the unembedding; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.lens import basis, convert, direct, discard, judge, logit, sheet, table, train, updates, values

ACTIONS: tuple[ModuleType, ...] = (logit, discard, train, judge, convert, basis, values, updates, sheet, table, direct)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "lens",
        help="what would each layer say, and what does each part write?",
        description="Reads a model's states and weights through its own final norm and unembedding.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
