"""`sonde vision show`: pictures that excite units, layers or classes most."""

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, objective, stated, write_picture
from sonde.results import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from sonde.access import Model
    from sonde.vision import Objective
    from sonde.vision.parameters import Colours, Parameterisation

MADE = ("fourier", "pixels", "cppn")
PLUS = ("smoothness", "nearness", "evenness")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "show",
        help="pictures that excite units most",
        description="Seek pictures that make units, layers or classes as large as they can, by ascent on what pictures are made of. A picture says "
        "what excites a unit most, not what it does on natural ones.",
    )
    action.add_argument(
        "units", nargs="+", metavar="UNIT", help="LAYER:CHANNEL, LAYER for all of it, or class:NUMBER; a layer is a module's path or a site"
    )
    add_model_options(action)
    action.add_argument(
        "--middle", action="store_true", help="a unit at one place in the middle, not its mean over all; for layers without places the unit"
    )
    action.add_argument("--negative", action="store_true", help="seek each one's minimum, too")
    action.add_argument("--spectrum", type=count, metavar="N", help="a row of N pictures from the first unit to the second")
    action.add_argument("--diversity", type=count, metavar="N", help="N different pictures of each unit, kept apart at its own layer")
    action.add_argument("--apart", type=float, metavar="X", help="the weight of --diversity beside the unit (default: 100)")
    action.add_argument(
        "--plus", nargs="+", default=[], metavar="NAME=WEIGHT", help=f"add penalties to each unit, such as smoothness=2: {', '.join(PLUS)}"
    )
    action.add_argument("--of", choices=MADE, default="fourier", help="what pictures are made of (default: %(default)s)")
    action.add_argument("--colours", choices=("decorrelated", "plain", "grey"), help="(default: decorrelated, of three channels)")
    action.add_argument("--size", type=count, metavar="N", help="rows and columns (default: as the network takes, else 128)")
    action.add_argument("--steps", type=count, default=512, metavar="N", help="of ascent (default: %(default)s)")
    action.add_argument("--rate", type=float, metavar="X", help="of ascent (default: 0.05; of cppn 0.005)")
    action.add_argument("--restarts", type=count, default=1, metavar="N", help="starts of each; the best is shown (default: %(default)s)")
    action.add_argument("--snapshots", type=int, nargs="+", default=[], metavar="STEP", help="show the pictures before these steps, too")
    action.add_argument(
        "--no-transforms", action="store_true", help="pictures need not survive shifts, scales and turns: shows what ascent finds without"
    )
    action.add_argument(
        "--dataset",
        metavar="PATH",
        help="tell which share of these pictures excites less: a folder of files, or an array (.npy) with numbers from 0 to 1",
    )
    action.add_argument("--batch", type=count, default=16, metavar="N", help="pictures sought at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished batches here: a search that was interrupted goes on")
    action.add_argument("--save", metavar="DIR", help="write the pictures here, as PNG")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Seek, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    normalise = stated(arguments)
    sought = _sought(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import show

    model = load(arguments.model)
    found = show(
        model, sought, of=_made(arguments, model), transforms=() if arguments.no_transforms else None, normalise=normalise, steps=arguments.steps,
        rate=arguments.rate, restarts=arguments.restarts, snapshots=arguments.snapshots, dataset=arguments.dataset, seed=arguments.seed,
        batch_size=arguments.batch, folder=arguments.folder, progress=not arguments.json,
    )  # fmt: skip
    saved = _saved(arguments, found.pictures) if arguments.save else []
    drawings = [found.drawing(columns=2 if arguments.negative else 4), found.course()]
    verdicts = found.check(model, seed=arguments.seed) if arguments.check else []
    rows = json_ready(found.to_frame().to_dicts())
    return report(
        arguments, start, model, "What do they look for?", drawings, verdicts, found.notes, pictures=rows, terms=json_ready(found.terms), saved=saved
    )


def _sought(arguments: argparse.Namespace) -> "list[Objective]":
    """What is sought, as the options put it together."""
    from sonde.vision import Diversity, spectrum

    units = [objective(text, arguments.middle) for text in arguments.units]
    penalties = [_penalty(text) for text in arguments.plus]
    units = [sum(penalties, unit) for unit in units]
    if arguments.spectrum is not None:
        if len(units) != 2 or arguments.diversity or arguments.negative:
            raise InputError("--spectrum goes from one unit to another: give two, without --diversity and --negative")
        return [spectrum(units[0], units[1], n=arguments.spectrum)]
    if arguments.apart is not None and not arguments.diversity:
        raise InputError("--apart is the weight of --diversity: give both")
    if arguments.diversity:
        if any(not one.layers for one in units):
            raise InputError("--diversity keeps pictures apart at a unit's own layer, and a class has none: name units")
        weight = 100.0 if arguments.apart is None else arguments.apart
        units = [one + weight * Diversity(one.layers[0], arguments.diversity) for one in units]
    return [each for one in units for each in ((one, -one) if arguments.negative else (one,))]


def _penalty(text: str) -> "Objective":
    """A penalty by its name and weight."""
    from sonde.vision import Evenness, Nearness, Smoothness

    name, _, number = text.partition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if name not in PLUS or not math.isfinite(weight):
        raise InputError(f"--plus {text}: give NAME=WEIGHT such as smoothness=2; names are {', '.join(PLUS)}")
    return weight * {"smoothness": Smoothness, "nearness": Nearness, "evenness": Evenness}[name]()


def _made(arguments: argparse.Namespace, model: "Model") -> "Parameterisation":
    """What pictures are made of."""
    from sonde.vision import CPPN, Fourier, Pixels, Shared
    from sonde.vision.layers import fitting

    size, channels = fitting(model)
    size = arguments.size or size
    colours: Colours = arguments.colours or ("decorrelated" if channels == 3 else "plain")
    if arguments.of == "cppn":
        if arguments.colours == "decorrelated":
            raise InputError("--of cppn makes its colours itself: leave --colours out, or ask for plain or grey")
        return CPPN(size, channels, colours=arguments.colours or "plain")
    made = Fourier(size, channels, colours) if arguments.of == "fourier" else Pixels(size, channels, colours)
    return Shared(made) if arguments.spectrum else made


def _saved(arguments: argparse.Namespace, pictures: "Tensor") -> list[str]:
    folder = Path(arguments.save)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--save {folder}: no folder can be made there ({error})") from None
    files = [folder / f"{i:03d}.png" for i in range(len(pictures))]
    for picture, file in zip(pictures, files, strict=True):
        write_picture(picture, file)
    return [str(file) for file in files]
