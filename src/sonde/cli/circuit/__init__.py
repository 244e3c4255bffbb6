"""`sonde circuit`: which edges of a model compute an answer, and whether that is true; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.circuit import compare, draw, evaluate, find

ACTIONS: tuple[ModuleType, ...] = (find, evaluate, compare, draw)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "circuit",
        help="which edges of a model compute an answer, and is that true?",
        description="Find the edges between components that compute the answers of a task, on some examples; judge them on others against random "
        "circuits; compare circuits, and draw them.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
