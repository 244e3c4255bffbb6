"""`sonde vision dream`: what a layer or unit reads into a picture."""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, objective, read_picture, stated, write_picture
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "dream",
        help="what a layer or unit reads into a picture",
        description="Deep Dream: exaggerate in a picture what a layer, a unit or a class sees there, coarse patterns first.",
    )
    action.add_argument("picture", metavar="FILE", help="a picture file (grey or RGB), or an array (.npy) with numbers from 0 to 1")
    action.add_argument("unit", metavar="UNIT", help="LAYER for all of it, LAYER:CHANNEL, or class:NUMBER; a layer is a module's path or a site")
    add_model_options(action)
    action.add_argument("--octaves", type=count, default=4, metavar="N", help="sizes of the picture (default: %(default)s)")
    action.add_argument("--ratio", type=float, default=1.4, metavar="X", help="of neighbouring sizes (default: %(default)s)")
    action.add_argument("--steps", type=count, default=10, metavar="N", help="at each size (default: %(default)s)")
    action.add_argument("--step", type=float, default=1.5, metavar="X", help="mean change of a pixel at a step, of 255 (default: %(default)s)")
    action.add_argument("--roll", type=int, default=32, metavar="N", help="by how many pixels at most the picture is rolled (default: %(default)s)")
    action.add_argument("--save", metavar="FILE", help="write the dream as a picture, or as an array (.npy)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Dream, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if arguments.save and not Path(arguments.save).parent.is_dir():
        raise InputError(f"--save {arguments.save}: there is no such folder")
    normalise, picture, goal = stated(arguments), read_picture(arguments.picture), objective(arguments.unit)
    from sonde.loading import load
    from sonde.vision import dream

    model = load(arguments.model)
    found = dream(
        model, picture, goal, normalise=normalise, octaves=arguments.octaves, ratio=arguments.ratio, steps=arguments.steps, step=arguments.step / 255,
        roll=arguments.roll, seed=arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    if arguments.save:
        write_picture(found.after, Path(arguments.save))
    verdicts = found.check(model, seed=arguments.seed) if arguments.check else []
    before, after = found.reached
    return report(
        arguments, start, model, "What is read into the picture?", [found.drawing()], verdicts, found.notes, objective=found.name, before=before,
        after=after, moved=found.moved, saved=arguments.save,
    )  # fmt: skip
