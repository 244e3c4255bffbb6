"""`sonde features search`: features by what is said of them, or by what is active on a prompt."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.features.shared import add_database_options, add_model_options, opened, opened_basis
from sonde.cli.features.show import show_table
from sonde.cli.printing import console, print_json
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "search",
        help="find features by their descriptions, or by a prompt",
        description="Find features whose description holds a text, or those that are active on a prompt: by activation, by their effect on the loss, "
        "or on one token.",
    )
    add_database_options(action)
    action.add_argument("text", nargs="?", default="", metavar="TEXT", help="in a description, or among the tokens that label a feature")
    action.add_argument("--prompt", metavar="TEXT", help="a text of your own")
    action.add_argument("--by", default="activation", metavar="ORDER", help="activation (default), effect, or the position of a token")
    action.add_argument("--limit", type=count, default=20, metavar="N", help="how many (default: %(default)s)")
    add_model_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search, then print."""
    start = time.perf_counter()
    if bool(arguments.text) == bool(arguments.prompt):
        raise InputError("say what to look for: a TEXT of descriptions, or a text of your own with --prompt")
    if arguments.text:
        found = opened(arguments)
        rows = found.table(text=arguments.text, limit=arguments.limit).to_dicts()
        if arguments.json:
            print_json(arguments, start, count=found.count(text=arguments.text), features=rows)
        else:
            show_table(console(), rows)
        return 0
    return _prompt(arguments, start)


def _prompt(arguments: argparse.Namespace, start: float) -> int:
    """The features that are active on a prompt."""
    from rich.table import Table
    from rich.text import Text

    from sonde.features.database.ablation import refuse_other_model
    from sonde.loading import load

    model = load(arguments.model)
    found = opened(arguments)
    refuse_other_model(found, model)
    found = opened(arguments, opened_basis(arguments, model, found.site[0]))
    by = int(arguments.by) if arguments.by.lstrip("-").isdecimal() else arguments.by
    active = found.active(model, arguments.prompt, by, arguments.limit)
    if arguments.json:
        print_json(arguments, start, model, active=active)
        return 0
    table = Table("feature", "what it stands for", "most on", box=None, pad_edge=False)
    for name in ("activation", *(["effect, nats"] if by == "effect" else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for firing in active["firings"]:
        at = max(range(len(firing["values"])), key=lambda i: abs(firing["values"][i]))
        effect = [f"{max(firing['effects'], key=abs):+.3g}"] if firing["effects"] else []
        table.add_row(str(firing["latent"]), Text(firing["label"]), Text(repr(active["tokens"][at])), f"{firing['values'][at]:.3g}", *effect)
    console().print(table)
    return 0
