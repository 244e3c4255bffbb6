"""`sonde specimens`: the small models with known truth: which there are, what was measured on one, and how one is trained anew."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from sonde.cli.printing import console, print_json


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "specimens",
        help="list the small models with known truth, show their cards, train them anew",
        description="Specimens are small models whose truth is known. They are shipped with sonde: `--model specimen:NAME` opens one.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the specimens that are shipped", description="List the specimens that are shipped.")

    showing = actions.add_parser(
        "card", help="what was measured on one", description="Show what a specimen is, what was measured on it, and its limits."
    )
    showing.add_argument("name", metavar="NAME", help="a specimen of the list")

    training = actions.add_parser(
        "train",
        help="train one anew",
        description="Train a specimen from nothing, write its weights and its card into DIR/NAME; a training that was interrupted goes on.",
    )
    training.add_argument("name", metavar="NAME", help="a specimen of the list")
    training.add_argument("--out", required=True, metavar="DIR", help="folder for checkpoints and result")
    training.add_argument("--seed", type=int, metavar="N", help="of the first weights and the data (default: that of the shipped weights)")
    training.add_argument("--threads", type=int, default=1, metavar="N", help="processor threads (default: %(default)s)")

    for action, run in ((listing, _list), (showing, _card), (training, _train)):
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def _list(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    from sonde import specimens

    cards = [specimens.card(name) for name in specimens.names()]
    sizes = {name: sum(file.stat().st_size for file in specimens.path(name).iterdir()) for name in specimens.names()}
    if arguments.json:
        rows = [{"name": card["name"], "summary": card["summary"], "parameters": card["parameters"], "bytes": sizes[card["name"]]} for card in cards]
        print_json(arguments, start, specimens=rows)
        return 0
    from rich.table import Table

    table = Table("specimen", "what it is", box=None, pad_edge=False)
    table.add_column("parameters", justify="right")
    table.add_column("kB", justify="right")
    for card in cards:
        table.add_row(card["name"], card["summary"], f"{card['parameters']:,}", f"{sizes[card['name']] / 1000:,.0f}")
    console().print(table)
    return 0


def _card(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    from sonde import specimens

    _show(specimens.card(arguments.name), arguments, start)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    from sonde import specimens

    with contextlib.redirect_stdout(sys.stderr):  # the log of the training; what is printed in the end is the result
        folder = specimens.train(arguments.name, arguments.out, arguments.seed, arguments.threads)
    _show(json.loads((folder / "card.json").read_text(encoding="utf-8")), arguments, start, folder=str(folder))
    return 0


def _show(card: Mapping[str, Any], arguments: argparse.Namespace, start: float, folder: str | None = None) -> None:
    if arguments.json:
        about: dict[str, Any] = {"model": f"specimen:{card['name']}", "seed": card["recipe"]["seed"], "card": card}
        print_json(arguments, start, **about | ({"folder": folder} if folder else {}))
        return
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(Text(f"{card['name']}: {card['summary']}, {card['parameters']:,} parameters\n", style="bold"))
    controls = {control["name"]: f"{control['value']:.3f}" for control in card.get("controls", [])}
    table = Table("measure", box=None, pad_edge=False)
    for column in ("value", "95 % interval", *(["control"] if controls else []), "items"):
        table.add_column(column, justify="right", no_wrap=True)
    for m in card["measures"]:
        control = [controls[m["name"]]] if controls else []
        name = Text.assemble(m["name"], (f"\n  {m['unit']}", "dim"))
        table.add_row(name, f"{m['value']:.3f}", f"{m['low']:.3f} to {m['high']:.3f}", *control, str(m["n"]))
    out.print(table)
    if controls:
        out.print(Text("\nControl: the same measure of a network with the same weights in random order."))
    notes = [f"{m['name']}: {m['note']}" for m in card["measures"] if m["note"]]
    for title, lines in (("Notes", notes), ("Limits", card["limits"])):
        if lines:
            out.print(Text(f"\n{title}", style="bold"), Text("\n".join(f"- {line}" for line in lines)), sep="\n")
    out.print(Text(f"\nMade by `{card['command']}`." + (f" Written to {folder}." if folder else "")))
