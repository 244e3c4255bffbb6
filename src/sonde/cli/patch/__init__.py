"""`sonde patch`: which parts of a model carry an answer, and along which paths; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.patch import activation, constant, edge, interchange, knockout, mediation, path, trace

ACTIONS: tuple[ModuleType, ...] = (
    activation,
    constant,
    edge,
    interchange,
    knockout,
    mediation,
    path,
    trace,
)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "patch",
        help="which parts carry an answer, and along which paths",
        description="Which parts of a model carry what differs between a prompt and its counterfactual: values of one run are written into the "
        "other, and a metric says how far that moves the answer.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
