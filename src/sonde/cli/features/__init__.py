"""`sonde features`: what the latents of a dictionary stand for; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.features import collect, contributions, describe, dose, export, guard, search, serve, sheet, show, steer

ACTIONS: tuple[ModuleType, ...] = (collect, show, search, describe, sheet, steer, dose, contributions, guard, export, serve)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "features",
        help="what do the features of a dictionary stand for?",
        description="Collect where the features of a dictionary (or neurons, or random directions) are active, then list, show and search them; "
        "steer them, take answers apart by them, and guard a model with them.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
