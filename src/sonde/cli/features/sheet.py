"""`sonde features sheet`: a blinded sheet on which a person rates features and neurons, and what the ratings say."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import print_json, refuse_unwritable
from sonde.cli.rating import rated
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "sheet",
        help="have a person rate features beside neurons, blinded",
        description="Write a sheet of features of several databases in random order (sheet.html to look at, sheet.csv to fill in, key.json to keep "
        "closed); or, without databases, read the ratings of a sheet that was filled in.",
    )
    action.add_argument("folder", metavar="FOLDER", help="of the sheet")
    action.add_argument("groups", nargs="*", metavar="NAME=DATABASE", help="what is rated, such as features=FOLDER neurons=FOLDER")
    action.add_argument("-n", type=count, default=50, metavar="N", help="items of each (default: %(default)s)")
    action.add_argument("--texts", type=count, default=10, metavar="N", help="texts of each item (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write what the ratings say as a page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write a sheet, or read one."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.features import Features, blinded_sheet

    if arguments.groups:
        named = [group.partition("=") for group in arguments.groups]
        if not all(name and sign and folder for name, sign, folder in named) or len({name for name, _, _ in named}) < len(named):
            raise InputError(f"{' '.join(arguments.groups)}: give each database a name of its own, as in features=FOLDER neurons=FOLDER")
        databases = {name: Features.load(folder) for name, _, folder in named}
        place = blinded_sheet(databases, arguments.folder, arguments.n, arguments.texts, seed=arguments.seed)
        if arguments.json:
            print_json(arguments, start, sheet=str(place), items=arguments.n * len(databases))
        else:
            print(f"open {place}, write ratings into {place.with_name('sheet.csv')}, then: sonde features sheet {arguments.folder}")
        return 0
    return rated(arguments, start)
