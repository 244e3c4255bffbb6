"""What the actions share: the network, how its pictures are scaled, units by name, and files of pictures."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.results import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from sonde.vision import Normalisation, Objective


def add_model_options(action: argparse.ArgumentParser) -> None:
    """Register which network is asked, and how its pictures are scaled."""
    action.add_argument(
        "--model", default="specimen:digits", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument(
        "--normalise", metavar="HOW", help="from pictures of 0 to 1 to what the network takes: none, imagenet, or MEANS/DEVIATIONS such as "
        "104,117,123/1 (default: as the model's own image processor says)",
    )  # fmt: skip
    action.add_argument("--scale", type=float, metavar="X", help="with MEANS/DEVIATIONS: what pictures are multiplied by first, such as 255")
    action.add_argument("--order", choices=("rgb", "bgr"), help="with MEANS/DEVIATIONS: the order of the network's channels (default: rgb)")


def add_output_options(action: argparse.ArgumentParser) -> None:
    """Register how the findings are printed."""
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="test the pictures beside controls")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def stated(arguments: argparse.Namespace) -> "Normalisation | str | None":
    """The normalisation that is meant; `None` leaves it to the model's image processor."""
    given = arguments.normalise
    if given in (None, "none", "imagenet"):
        if arguments.scale is not None or arguments.order is not None:
            raise InputError("--scale and --order belong to --normalise MEANS/DEVIATIONS")
        return given  # type: ignore[no-any-return]
    from sonde.vision import Normalisation

    means, slash, deviations = given.partition("/")
    try:
        mean, std = (tuple(float(one) for one in text.split(",")) for text in (means, deviations))
    except ValueError:
        slash = ""
    if not slash:
        raise InputError(f"--normalise {given!r}: give none, imagenet, or MEANS/DEVIATIONS such as 104,117,123/1")
    return Normalisation(mean, std, 1.0 if arguments.scale is None else arguments.scale, arguments.order or "rgb")


def objective(text: str, middle: bool = False) -> "Objective":
    """A unit, a layer or a class by its name on the command line.

    Arguments:
        text: `LAYER:CHANNEL`, `LAYER`, or `class:NUMBER`.
        middle: a unit at one place in the middle instead of its mean over all places.
    """
    from sonde.vision import Channel, Class, Layer, Neuron

    layer, _, last = text.rpartition(":")
    if not layer or not last.lstrip("-").isdecimal():
        return Layer(text)
    if layer == "class":
        return Class(int(last))
    return Neuron(layer, int(last)) if middle else Channel(layer, int(last))


def units_of(texts: list[str]) -> tuple[str, list[int] | None]:
    """The layer and the units that are named; a layer alone stands for all of its units.

    Arguments:
        texts: `LAYER:CHANNEL` of one layer, or `LAYER`.
    """
    named = []
    for text in texts:
        layer, _, last = text.rpartition(":")
        named.append((layer, int(last)) if layer and last.lstrip("-").isdecimal() else (text, None))
    layers = list(dict.fromkeys(layer for layer, _ in named))
    if len(layers) > 1:
        raise InputError(f"units of several layers were named ({', '.join(layers)}): ask for one layer at a time")
    units = [unit for _, unit in named if unit is not None]
    if units and len(units) < len(named):
        raise InputError(f"{layers[0]} was named whole and by unit: give one of both")
    return layers[0], units or None


def size_of(text: str | None) -> tuple[int, int] | None:
    """Rows and columns: one number for both, or two."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"--size {text}: give a number of pixels, or rows and columns such as 224,320")
    return int(parts[0]), int(parts[-1])


def read_picture(file: str) -> "Float[Tensor, '...']":
    """A picture from 0 to 1: a file of pixels, or an array (.npy) as it stands."""
    from sonde.vision.files import read_picture

    return read_picture(file)


def write_picture(picture: "Float[Tensor, 'channel row col']", file: Path) -> None:
    """Write a picture from 0 to 1: a file of pixels, or an array (.npy)."""
    import numpy as np

    if file.suffix == ".npy":
        np.save(file, picture.numpy())
        return
    try:
        from PIL import Image
    except ImportError:
        raise InputError(f"writing {file} needs Pillow: pip install pillow, or write an array (.npy)") from None
    pixels = (255 * picture).round().byte().numpy()
    shown = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    try:
        shown.save(file)
    except (ValueError, OSError) as error:
        raise InputError(f"{file} can't be written ({error}): give a file such as dream.png, in a folder that exists") from None
