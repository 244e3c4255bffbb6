"""`sonde vision`: looking inside networks of pictures; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.vision import atlas, dream, examples, families, match, motifs, show, similarity, tuning, unions, unit, weights

ACTIONS: tuple[ModuleType, ...] = (show, dream, examples, tuning, unit, atlas, weights, families, unions, match, similarity, motifs)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "vision",
        help="what do the units of a vision model look for?",
        description="Pictures of what units, layers and classes look for, what they read into a picture, when they fire on many, and how they answer "
        "to drawn ones; of which units of the layers before they are built; and which units and layers of another network answer alike.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
