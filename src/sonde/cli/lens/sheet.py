"""`sonde lens sheet`: a blinded sheet on which a person names value vectors, and what the ratings say."""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.asking import count
from sonde.cli.lens.values import add_value_options
from sonde.cli.printing import print_json, refuse_unwritable
from sonde.cli.rating import rated


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "sheet",
        help="have a person rate value vectors beside shuffled ones, blinded",
        description="Write lists of tokens in random order (sheet.html to look at, sheet.csv to fill in, key.json to keep closed); where the folder "
        "holds a sheet already, read its ratings.",
    )
    action.add_argument("folder", metavar="FOLDER", help="of the sheet")
    add_value_options(action)
    action.add_argument("-n", type=count, default=50, metavar="N", help="items of each kind (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write what the ratings say as a page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write a sheet, or read one."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if (Path(arguments.folder) / "key.json").is_file():
        return rated(arguments, start)
    from sonde.lens import value_sheet, value_vectors
    from sonde.loading import load

    model = load(arguments.model)
    values = value_vectors(model, arguments.layer, arguments.k, max(2, arguments.draws), arguments.seed, progress=not arguments.json)
    place = value_sheet(values, arguments.folder, arguments.n, arguments.seed)
    if arguments.json:
        print_json(arguments, start, model, sheet=str(place), items=2 * arguments.n)
    else:
        print(f"open {place}, write ratings into {place.with_name('sheet.csv')}, then: sonde lens sheet {arguments.folder}")
    return 0
