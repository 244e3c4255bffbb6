"""`sonde probe`: what a model encodes, and whether it uses it; one thin file per action."""

from types import ModuleType
from typing import Any

from sonde.cli.probe import amnesic, control, data, illusion, mdl, pipeline, ranks, remove, structure, subspace, sweep, table, transfer

ACTIONS: tuple[ModuleType, ...] = (data, sweep, control, mdl, pipeline, transfer, subspace, illusion, structure, remove, amnesic, ranks, table)


def add(commands: Any) -> None:
    """Register the command with its actions."""
    parser = commands.add_parser(
        "probe",
        help="what does a model encode, and does it use it?",
        description="Probes of labelled words and texts. What is asked: --words PROPERTY of the small world, --conllu FILE, a treebank, "
        "--labels FILE, a table, or --parallel FILE, sentences in several languages.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
