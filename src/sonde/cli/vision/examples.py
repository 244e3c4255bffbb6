"""`sonde vision examples`: when units fire on a folder of pictures, over their whole range."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_labels_option, add_model_options, add_output_options, labels_of, size_of, stated, units_of


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "examples",
        help="the pictures that excite units most, least, and at every level between",
        description="One pass over many pictures: those that excite units most and least, random ones at every level, and those that leave them "
        "silent, cut to the pixels that can reach the unit. The largest alone make units look as if they meant one thing.",
    )
    action.add_argument("pictures", metavar="PATH", help="a folder of picture files, or an array (.npy) with numbers from 0 to 1")
    action.add_argument(
        "units", nargs="+", metavar="UNIT", help="LAYER:CHANNEL of one layer, or LAYER for all of it; a layer is a module's path or a site"
    )
    add_model_options(action)
    action.add_argument("--size", metavar="N|ROWS,COLS", help="bring files to this size: the shorter side is scaled, the middle is cut")
    action.add_argument("--top", type=count, default=20, metavar="N", help="pictures of the largest and smallest values (default: %(default)s)")
    action.add_argument("--levels", type=count, default=10, metavar="N", help="of equal width over the range (default: %(default)s)")
    action.add_argument("--per-level", type=count, default=5, metavar="N", help="random pictures of each level (default: %(default)s)")
    add_labels_option(action)
    action.add_argument("--batch", type=count, default=32, metavar="N", help="pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished batches here: a search that was interrupted goes on")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    normalise, size, labels = stated(arguments), size_of(arguments.size), labels_of(arguments.labels)
    layer, units = units_of(arguments.units)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import dataset_examples

    model = load(arguments.model)
    found = dataset_examples(
        model, arguments.pictures, layer, units, normalise=normalise, size=size, top=arguments.top, levels=arguments.levels,
        per_level=arguments.per_level, labels=labels, pictured=units, seed=arguments.seed, batch_size=arguments.batch, folder=arguments.folder,
        progress=not arguments.json,
    )  # fmt: skip
    drawings = [found.drawing(), found.histogram(), *([found.purities()] if found.labels else [])]
    verdicts = found.check(model, arguments.pictures) if arguments.check else []
    purity = {}
    if found.labels:
        for unit in found.units:
            label, frame = found.purity(unit)
            purity[f"{layer}:{unit}"] = {"label": label, "levels": json_ready(frame.to_dicts())}
    return report(
        arguments, start, model, "When do they fire?", drawings, verdicts, found.notes, layer=layer, count=found.count,
        density=dict(zip([f"{layer}:{unit}" for unit in found.units], json_ready(found.density.tolist()), strict=True)),
        examples=json_ready(found.to_frame().to_dicts()), purity=purity, broken=found.broken,
    )  # fmt: skip
