"""`sonde weights`: what can be read off a model's weights; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.weights import attention_only, bigrams, composition, copying, digits, effects, heads, importance, paths, trigrams

ACTIONS: tuple[ModuleType, ...] = (attention_only, bigrams, composition, copying, digits, effects, heads, importance, paths, trigrams)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "weights",
        help="what can be read off a model's weights?",
        description="The parts of a language model as maps between its tokens, read off the weights.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
