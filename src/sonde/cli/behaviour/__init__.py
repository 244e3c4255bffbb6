"""`sonde behaviour`: what a model does, on which phenomena, and where it fails; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.behaviour import audit, coreference, pairs, shift, shortcut, suite, surprisal

ACTIONS: tuple[ModuleType, ...] = (
    audit,
    coreference,
    pairs,
    shift,
    shortcut,
    suite,
    surprisal,
)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "behaviour",
        help="what a model does, on which phenomena, and where it fails",
        description="What a model does, on which phenomena, and where it fails: measured on its outputs alone, each number with its interval.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
