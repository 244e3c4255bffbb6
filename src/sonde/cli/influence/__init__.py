"""`sonde influence`: from which training data a model has what it does; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.influence import evaluate, fit, scores, study, top

ACTIONS: tuple[ModuleType, ...] = (fit, scores, study, top, evaluate)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "influence",
        help="from which training data does it have that?",
        description="The influence of a language model's training texts on what it says: fit a curvature once, then ask about prompts.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
