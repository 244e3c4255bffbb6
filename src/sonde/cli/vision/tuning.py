"""`sonde vision tuning`: how units answer to drawn stimuli over the whole range of a property."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, stated, units_of
from sonde.results import InputError

DRAWN = ("gratings", "curves", "bars", "colours")
MAPPED = 4  # units of which all answers are drawn


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "tuning",
        help="how units answer to drawn gratings, curves, bars or colours",
        description="Show units pictures of which every property is known, over the property's whole range: what a unit prefers, how high and how "
        "wide its peak is. Whether it is tuned at all is told by --check, beside its own filters in random order.",
    )
    action.add_argument(
        "units", nargs="+", metavar="UNIT", help="LAYER:CHANNEL of one layer, or LAYER for all of it; a layer is a module's path or a site"
    )
    add_model_options(action)
    action.add_argument("--stimuli", choices=DRAWN, default="gratings", help="what is drawn (default: %(default)s)")
    action.add_argument("--size", type=count, metavar="N", help="rows and columns (default: as the network takes, else 128)")
    action.add_argument(
        "--across", type=float, nargs="+", metavar="X", help="the other property: cycles per pixel of gratings, radii of curves and widths of bars "
        "in pixels, saturations of colours",
    )  # fmt: skip
    action.add_argument("--step", type=count, metavar="DEGREES", help="between angles or hues (default: 5; of colours 15)")
    action.add_argument("--draws", type=count, default=8, metavar="N", help="shuffled copies for --check (default: %(default)s)")
    action.add_argument("--batch", type=count, default=64, metavar="N", help="pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished parts here: a sweep that was interrupted goes on")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    normalise = stated(arguments)
    layer, units = units_of(arguments.units)
    from sonde import vision
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision.layers import fitting, refuse_others

    model = load(arguments.model)
    refuse_others(model)
    size, channels = fitting(model)
    if arguments.size is None and not isinstance(size, int) and size[0] != size[1]:
        raise InputError(f"{model.name} takes pictures of {size[0]} x {size[1]}, and stimuli are square: give --size")
    side = arguments.size or (size if isinstance(size, int) else size[0])
    colours = arguments.stimuli == "colours"
    if colours and channels != 3:
        raise InputError(f"--stimuli colours needs a network of three channels, and {model.name} takes {channels}")
    turn = 180 if arguments.stimuli in ("gratings", "bars") else 360
    angles = range(0, turn, arguments.step or (15 if colours else 5))
    if colours:
        stimuli = vision.colours(side, arguments.across or (0.25, 0.5, 1.0), angles)
    else:
        stimuli = getattr(vision, arguments.stimuli)(side, arguments.across, angles, channels=channels)
    found = vision.tuning(
        model, layer, stimuli, units, normalise=normalise, batch_size=arguments.batch, folder=arguments.folder, progress=not arguments.json
    )
    drawings = [found.drawing(), *(found.map(unit) for unit in (units or [])[:MAPPED])]
    verdicts = found.check(model, units, arguments.draws, arguments.seed, arguments.batch) if arguments.check else []
    return report(
        arguments, start, model, "What are they tuned to?", drawings, verdicts, found.notes, layer=layer, stimuli=stimuli.name, axis=stimuli.axis,
        across=stimuli.across, units=json_ready(found.to_frame().to_dicts()),
        curves={f"{layer}:{unit}": json_ready(found.curve(unit).tolist()) for unit in found.units}, at=list(stimuli.at),
    )  # fmt: skip
