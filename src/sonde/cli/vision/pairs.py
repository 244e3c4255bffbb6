"""What `sonde vision match` and `sonde vision similarity` share: two networks on the same pictures, each scaled in its own way."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.vision.shared import add_model_options, add_output_options, size_of, stated
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.vision import Normalisation


def add_pair_options(action: argparse.ArgumentParser, samples: int) -> None:
    """Register both networks, and how pictures are shown to each.

    Arguments:
        action: the parser.
        samples: rows (picture, place) by default.
    """
    add_model_options(action)
    action.add_argument("--other", metavar="M", help="the other network (default: the same one)")
    action.add_argument("--other-normalise", metavar="HOW", help="as --normalise, for the other network (default: as its own image processor says)")
    action.add_argument("--other-scale", type=float, metavar="X", help="as --scale")
    action.add_argument("--other-order", choices=("rgb", "bgr"), help="as --order")
    action.add_argument("--size", metavar="N|ROWS,COLS", help="bring files to this size: the shorter side is scaled, the middle is cut")
    action.add_argument("--other-size", metavar="N|ROWS,COLS", help="as --size, for the other network")
    action.add_argument("--samples", type=count, default=samples, metavar="N", help="pictures times places, at most (default: %(default)s)")
    action.add_argument("--draws", type=count, default=19, metavar="N", help="random orders of the pictures (default: %(default)s)")
    action.add_argument("--batch", type=count, default=32, metavar="N", help="pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished batches here: what was interrupted goes on")
    add_output_options(action)


def other_stated(arguments: argparse.Namespace) -> "Normalisation | str | None":
    """The normalisation that is meant for the other network."""
    other = argparse.Namespace(normalise=arguments.other_normalise, scale=arguments.other_scale, order=arguments.other_order)
    try:
        return stated(other)
    except InputError as error:
        words = str(error)
        for name in ("normalise", "scale", "order"):
            words = words.replace(f"--{name}", f"--other-{name}")
        raise InputError(words) from None


def both_shown(arguments: argparse.Namespace) -> dict[str, Any]:
    """How pictures are shown to both networks, as arguments of `match_units` and `similarity`."""
    return {
        "normalise": stated(arguments), "other_normalise": other_stated(arguments), "size": size_of(arguments.size),
        "other_size": size_of(arguments.other_size),
        "samples": arguments.samples, "draws": arguments.draws, "seed": arguments.seed, "batch_size": arguments.batch, "folder": arguments.folder,
        "progress": not arguments.json,
    }  # fmt: skip


def checking(arguments: argparse.Namespace) -> dict[str, Any]:
    """How a check runs; what is finished of it lies beside the batches of the search."""
    folder = None if arguments.folder is None else Path(arguments.folder) / "check"
    return {"seed": arguments.seed, "batch_size": arguments.batch, "folder": folder, "progress": not arguments.json}


def both_opened(arguments: argparse.Namespace) -> "tuple[Model, Model]":
    """The networks; without --other the same one twice."""
    from sonde.loading import load

    model = load(arguments.model)
    return model, model if arguments.other in (None, arguments.model) else load(arguments.other)
