"""`sonde dictionary convert`: dictionaries of other programs into sonde's format, or into SAELens'."""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.printing import console, print_json
from sonde.results import SondeError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "convert",
        help="bring a dictionary into another program's format",
        description="Read a dictionary of SAELens, sparsify, dictionary_learning, Gemma Scope, OpenAI or sonde, and write it again. Where a folder "
        "holds several, all are converted, each under its own name; one that can't be is told, and the others are written.",
    )
    action.add_argument("source", metavar="IN", help="its folder, or the file of its weights")
    action.add_argument("target", metavar="OUT", help="a new folder")
    action.add_argument("--to", default="saelens", metavar="FORMAT", help="saelens or sonde (default: %(default)s)")
    action.add_argument("--part", metavar="NAME", help="the one that is meant, where IN holds several: its path in IN")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert, and say what was written; 2 where something could not be."""
    start = time.perf_counter()
    from sonde.dictionaries import parts, read, write

    source, target = Path(arguments.source), Path(arguments.target)
    found = parts(source) if source.is_dir() and arguments.part is None else []
    several = bool(found) and "." not in found
    rows, refused = [], {}
    for part in found if several else [arguments.part]:
        try:
            dictionary = read(source, part)
            folder = write(dictionary, target / part if several else target, arguments.to)
        except SondeError as error:
            if not several:
                raise
            refused[part] = str(error)
            continue
        rows.append({"part": part, "dictionary": repr(dictionary), "from": dictionary.metadata.get("format", "sonde"), "folder": str(folder)})
    if arguments.json:
        print_json(arguments, start, converted=rows, refused=[{"part": part, "reason": reason} for part, reason in refused.items()])
    else:
        _show(rows, refused)
    return 2 if refused else 0


def _show(rows: list[dict[str, Any]], refused: dict[str, str]) -> None:
    out = console()
    for row in rows:
        out.print(f"{row['dictionary']} of {row['from']} written to {row['folder']}", markup=False, soft_wrap=True)
    for part, reason in refused.items():
        out.print(f"not converted: {part}: {reason}", markup=False, soft_wrap=True)
