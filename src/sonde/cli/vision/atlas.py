"""`sonde vision atlas`: all units of a layer on one page, each leading to its own."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.printing import plain_verdict, print_json, refuse_unwritable, told
from sonde.cli.vision.shared import Inputs, add_labels_option, add_page_options, add_scaling_options, page_inputs
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.vision import Atlas

INDEX = "index.html"


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "atlas",
        help="all units of a layer on one page",
        description="A small picture of what each unit of a layer looks for, in an order in which neighbours are alike, what it is tuned to and how "
        "often it fires; with --pages each leads to a page of its own, as the action unit makes it.",
    )
    action.add_argument("model", metavar="MODEL", help="a specimen, a folder, a Hub id or FILE.py:NAME")
    action.add_argument("layer", metavar="LAYER", help="a module's path or a site")
    action.add_argument("--units", type=int, nargs="+", metavar="N", help="of the layer, by number (default: all)")
    action.add_argument(
        "--by",
        default="orientation",
        metavar="ORDER",
        help="in which order: orientation, families, weights, activity or number (default: %(default)s)",
    )
    action.add_argument(
        "--pages", type=int, nargs="*", metavar="N", help="make pages of these units, too, or of all that are shown; --out is a folder then"
    )
    action.add_argument("--check", action="store_true", help="test of every unit whether it is tuned to waves, beside filters in random order")
    action.add_argument("--draws", type=int, default=4, metavar="N", help="shuffled networks for comparison (default: %(default)s)")
    add_scaling_options(action)
    add_page_options(action)
    add_labels_option(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the layer, then print or write."""
    start = time.perf_counter()
    place = _place(arguments)
    given = page_inputs(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import atlas

    model = load(arguments.model)
    found = atlas(
        model, arguments.layer, given.pictures, arguments.units, order=arguments.by, normalise=given.normalise, size=given.size,
        labels=given.labels, pixels=arguments.pixels, steps=arguments.steps, seed=arguments.seed, batch_size=arguments.batch,
        folder=arguments.folder, progress=not arguments.json,
    )  # fmt: skip
    pages = {} if arguments.pages is None or place is None else _written(arguments, model, given, found, place)
    verdicts = found.check(model, arguments.draws, arguments.seed) if arguments.check else []
    document = found.document(pages, verdicts)
    if arguments.json:
        print_json(
            arguments, start, model, warnings=list(found.notes), layer=found.layer, total=found.total, order=found.by,
            units=json_ready(found.to_frame().to_dicts()), pages={str(unit): str(Path(arguments.out) / file) for unit, file in pages.items()},
            verdicts=[plain_verdict(one) for one in verdicts],
        )  # fmt: skip
    told(argparse.Namespace(**{**vars(arguments), "out": str(place / INDEX) if place else arguments.out}), document)
    return 0


def _place(arguments: argparse.Namespace) -> Path | None:
    """The folder for several pages; `None` where there is one page, or none."""
    if arguments.pages is not None and (not arguments.out or arguments.out.endswith(".html")):
        raise InputError("--pages makes several files: name a folder for them with --out")
    if not arguments.out or arguments.out.endswith(".html"):
        refuse_unwritable(arguments)
        return None
    from sonde.jobs.folders import place_for

    return place_for(arguments.out)


def _written(arguments: argparse.Namespace, model: "Model", given: Inputs, found: "Atlas", place: Path) -> dict[int, str]:
    """The units' own pages, each written as soon as it is made, by number."""
    from sonde.views import page
    from sonde.vision import unit_page

    units = arguments.pages or found.units
    if strangers := [unit for unit in units if unit not in found.units]:
        raise InputError(f"--pages {strangers[0]}: this unit of {found.layer} is not on the page: name it with --units, too")
    files = {}
    for unit in units:
        made = unit_page(
            model, f"{found.layer}:{unit}", given.pictures, normalise=given.normalise, size=given.size, classes=given.classes, labels=given.labels,
            steps=arguments.steps, draws=arguments.draws, seed=arguments.seed, batch_size=arguments.batch, folder=arguments.folder,
            progress=not arguments.json,
        )  # fmt: skip
        files[unit] = f"unit-{unit}.html"
        (place / files[unit]).write_text(page(made.document()), encoding="utf-8")
    return files
