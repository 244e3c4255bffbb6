"""`sonde vision tuning`: how units answer to drawn stimuli over the whole range of a property."""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, stated, units_of
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.vision import Stimuli

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
    add_stimuli_options(action, "gratings")
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
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import tuning

    model = load(arguments.model)
    stimuli = stimuli_of(arguments, model)
    found = tuning(
        model, layer, stimuli, units, normalise=normalise, batch_size=arguments.batch, folder=arguments.folder, progress=not arguments.json
    )
    drawings = [found.drawing(), *(found.map(unit) for unit in (units or [])[:MAPPED])]
    verdicts = found.check(model, units, arguments.draws, arguments.seed, arguments.batch) if arguments.check else []
    return report(
        arguments, start, model, "What are they tuned to?", drawings, verdicts, found.notes, layer=layer, stimuli=stimuli.name, axis=stimuli.axis,
        across=stimuli.across, units=json_ready(found.to_frame().to_dicts()),
        curves={f"{layer}:{unit}": json_ready(found.curve(unit).tolist()) for unit in found.units}, at=list(stimuli.at),
    )  # fmt: skip


def add_stimuli_options(action: argparse.ArgumentParser, default: str) -> None:
    """Register what is drawn.

    Arguments:
        action: the parser.
        default: of the kinds.
    """
    action.set_defaults(drawn=default)
    action.add_argument("--stimuli", choices=DRAWN, help=f"what is drawn (default: {default})")
    action.add_argument("--size", type=count, metavar="N", help="rows and columns (default: as the network takes, else 128)")
    action.add_argument(
        "--across", type=float, nargs="+", metavar="X", help="the other property: cycles per pixel of gratings, radii of curves and widths of bars "
        "in pixels, saturations of colours",
    )  # fmt: skip
    action.add_argument("--step", type=count, metavar="DEGREES", help="between angles or hues (default: 5; of colours 15)")


def stimuli_of(arguments: argparse.Namespace, model: "Model") -> "Stimuli":
    """The stimuli that are asked for, as the network takes them.

    Arguments:
        arguments: the parsed options.
        model: the network.
    """
    from sonde import vision
    from sonde.vision.layers import fitting, refuse_others

    refuse_others(model)
    name = arguments.stimuli or arguments.drawn
    size, channels = fitting(model)
    if arguments.size is None and not isinstance(size, int) and size[0] != size[1]:
        raise InputError(f"{model.name} takes pictures of {size[0]} x {size[1]}, and stimuli are square: give --size")
    side = arguments.size or (size if isinstance(size, int) else size[0])
    colours = name == "colours"
    if colours and channels != 3:
        raise InputError(f"--stimuli colours needs a network of three channels, and {model.name} takes {channels}")
    turn = 180 if name in ("gratings", "bars") else 360
    angles = range(0, turn, arguments.step or (15 if colours else 5))
    if colours:
        return vision.colours(side, arguments.across or (0.25, 0.5, 1.0), angles)
    return getattr(vision, name)(side, arguments.across, angles, channels=channels)  # type: ignore[no-any-return]
