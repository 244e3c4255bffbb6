"""`sonde superposition`: why neurons stand for several things; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.superposition import basis, phase, quiz, solu, split, toy

ACTIONS: tuple[ModuleType, ...] = (toy, phase, basis, split, solu, quiz)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "superposition",
        help="why do neurons stand for several things?",
        description="Toy models of superposition trained on the spot, whether a basis is privileged, and what SoLU makes of neurons.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
