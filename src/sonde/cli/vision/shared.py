"""What the actions share: the network, how its pictures are scaled, units by name, and files of pictures."""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.cli.asking import count
from sonde.results import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from sonde.vision import Normalisation, Objective

HELD_OUT = 256  # pictures of a specimen


def add_model_options(action: argparse.ArgumentParser) -> None:
    """Register which network is asked, and how its pictures are scaled."""
    action.add_argument(
        "--model", default="specimen:digits", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    add_scaling_options(action)


def add_scaling_options(action: argparse.ArgumentParser) -> None:
    """Register how pictures are scaled."""
    action.add_argument(
        "--normalise", metavar="HOW", help="from pictures of 0 to 1 to what the network takes: none, imagenet, or MEANS/DEVIATIONS such as "
        "104,117,123/1 (default: as the model's own image processor says)",
    )  # fmt: skip
    action.add_argument("--scale", type=float, metavar="X", help="with MEANS/DEVIATIONS: what pictures are multiplied by first, such as 255")
    action.add_argument("--order", choices=("rgb", "bgr"), help="with MEANS/DEVIATIONS: the order of the network's channels (default: rgb)")


def add_labels_option(action: argparse.ArgumentParser) -> None:
    """Register what pictures show."""
    action.add_argument(
        "--labels", metavar="folders|FILE", help="folders: a file's label is its folder; or a CSV table with the columns file and label"
    )


def add_page_options(action: argparse.ArgumentParser) -> None:
    """Register what the pages of units and layers have in common."""
    action.add_argument(
        "--pictures",
        metavar="PATH",
        help="a folder of picture files, or an array (.npy) from 0 to 1 (default: a specimen's held-out ones, else none)",
    )
    action.add_argument("--size", metavar="N|ROWS,COLS", help="bring files to this size: the shorter side is scaled, the middle is cut")
    action.add_argument(
        "--classes", metavar="FILE", help="names of the classes in order: one on each line, or a CSV table with the column class_name"
    )
    action.add_argument("--pixels", type=count, metavar="N", help="rows and columns of the pictures that are sought (default: as the network takes)")
    action.add_argument("--steps", type=count, default=256, metavar="N", help="of ascent (default: %(default)s)")
    action.add_argument("--batch", type=count, default=32, metavar="N", help="pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished parts here: what was interrupted goes on, and other units use them, too")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the page, one HTML file")
    action.add_argument("--json", action="store_true", help="print JSON")


@dataclass(frozen=True)
class Inputs:
    """What a page is about: pictures with their size and labels, how they are scaled, the names of classes."""

    pictures: "Tensor | str | None"
    size: tuple[int, int] | None
    labels: "Sequence[str] | Mapping[str, object] | str | None"
    normalise: "Normalisation | str | None"
    classes: list[str] | None


def page_inputs(arguments: argparse.Namespace) -> Inputs:
    """What was given; of a specimen without pictures its own held-out ones, which are taken as they are."""
    normalise, size, classes, labels = stated(arguments), size_of(arguments.size), classes_of(arguments.classes), labels_of(arguments.labels)
    own = own_pictures(arguments.model, HELD_OUT) if arguments.pictures is None else None
    if own is None:
        if arguments.pictures is None and (size is not None or labels is not None):
            raise InputError("--size and --labels are of the pictures: give --pictures, too")
        return Inputs(arguments.pictures, size, labels, normalise, classes)
    if size is not None or labels is not None:
        raise InputError(f"--size and --labels are for pictures of your own: give --pictures, or leave them out for those of {arguments.model}")
    return Inputs(own[0], None, own[1], "none" if normalise is None else normalise, own[2] if classes is None else classes)


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


def labels_of(given: str | None) -> dict[str, object] | str | None:
    """The labels of files: by folder, or from a table."""
    if given in (None, "folders"):
        return given
    file = Path(given)  # type: ignore[arg-type]
    if not file.is_file():
        raise InputError(f"--labels {given}: there is no such file; give folders, or a CSV table with the columns file and label")
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--labels {given} is no CSV table ({error})") from None
    if not rows or {"file", "label"} - set(rows[0]):
        raise InputError(f"--labels {given} has the columns {', '.join(rows[0]) if rows else '(none)'}: it needs file and label")
    return {row["file"]: row["label"] for row in rows}


def classes_of(given: str | None) -> list[str] | None:
    """The names of classes in order: one on each line, or the column class_name or name of a CSV table."""
    if given is None:
        return None
    file = Path(given)
    if not file.is_file():
        raise InputError(f"--classes {given}: there is no such file; give one with a name on each line, or a CSV table with the column class_name")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"--classes {given} is no text ({error})") from None
    if file.suffix != ".csv":
        return [line.strip() for line in lines if line.strip()]
    rows = list(csv.DictReader(lines))
    column = next((name for name in ("class_name", "name") if rows and name in rows[0]), None)
    if column is None:
        raise InputError(f"--classes {given} has the columns {', '.join(rows[0]) if rows else '(none)'}: it needs class_name")
    return [row[column] for row in rows]


def own_pictures(model: str, n: int) -> "tuple[Tensor, list[str], list[str]] | None":
    """The first held-out pictures of a specimen that reads pictures of 0 to 1, with their labels and the names of its classes; `None` of others.

    Arguments:
        model: as it was named.
        n: how many, at most.
    """
    if model == "specimen:digits":
        from sonde.specimens import digits

        images, labels = digits.held_out()
        names = [str(digit) for digit in range(10)]
    elif model == "specimen:shapes":
        from sonde.specimens import shapes

        held = shapes.held_out()
        images, labels, names = held.pictures, held.shape, list(shapes.CLASSES)
    else:
        return None
    return images[:n], [names[label] for label in labels[:n].tolist()], names
