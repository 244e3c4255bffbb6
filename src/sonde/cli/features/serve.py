"""`sonde features serve`: the pages of features in a browser on this machine, where a reader's own prompt runs the model."""

import argparse
from typing import Any

from sonde.cli.features.pages import add_page_options, extras, opened_model, title

PORT = 8321


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "serve",
        help="show features in a browser on this machine",
        description="Serve the pages of features on this machine only, until interrupted. With --basis the model answers too: what each feature "
        "does to the loss, and which features fire on a prompt of your own.",
    )
    add_page_options(action)
    action.add_argument("--port", type=int, default=PORT, metavar="N", help="any that is free; 0: one that the system chooses (default: %(default)s)")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from sonde.app import application, serve

    features, model = opened_model(arguments)
    serve(application(features, model, title=title(arguments, features), extras=extras(arguments, features, model)), arguments.port)
    return 0
