"""How large are pictures and stimuli for a unit? No larger than what it sees: twice its receptive field, so that the middle one sees all of its own.

Waves have from one cycle in the field to a quarter cycle per pixel; arcs span the field and have a quarter, a half and the whole of it as radius.
"""

import math
import re
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError
from sonde.vision.fields import receptive_field
from sonde.vision.layers import SIZE, fitting, view_of
from sonde.vision.stimuli import Stimuli, colours, curves, gratings

ANGLE = 15  # degrees from stimulus to stimulus
LEAST_CURVE = 9  # pixels that an arc needs to look like one
FINEST = 1 / 4  # cycles per pixel


def side_of(model: Model, pixels: int | None, pictures: tuple[int, int] | None, usual: int = SIZE) -> int:
    """Rows and columns of pictures that are sought: as asked; as the network takes them; else the usual, or as many as the given pictures have.

    Arguments:
        model: the network.
        pixels: what was asked for.
        pictures: the size of the given ones, where there are any.
        usual: of networks that take any.

    Raises:
        InputError: another size than the only one that the network takes, or one that is not square.
    """
    view = view_of(model)
    if view is not None:
        if view[0] != view[1] or (pixels is not None and pixels != view[0]):
            raise InputError(f"{model.name} takes pictures of {view[0]} x {view[1]} only, and those of a unit's page are square: pixels={pixels}")
        return view[0]
    if pixels is not None:
        return pixels
    return min(usual, *pictures) if pictures is not None else usual


def stimuli_for(model: Model, site: str, side: int) -> list[Stimuli]:
    """Gratings, arcs and colours that fit a layer's receptive field; arcs where it is large enough, colours where the network takes them.

    Arguments:
        model: the network.
        site: the layer.
        side: rows and columns, at most.
    """
    channels = fitting(model)[1]
    field = receptive_field(model, site, channels, (side, side))
    seen = side if field.rows is None or field.cols is None else min(side, max(field.rows[2], field.cols[2]))
    canvas = side if view_of(model) is not None else _taken(model, site, min(side, 2 * seen + 1), side, channels)
    coarse = min(FINEST, 1 / seen)
    waves = dict.fromkeys((coarse, math.sqrt(coarse * FINEST), FINEST))
    found = [gratings(canvas, list(waves), range(0, 180, ANGLE), channels=channels)]
    if seen >= LEAST_CURVE:
        radii = [seen / 4, seen / 2, float(seen)]
        found.append(curves(canvas, radii, range(0, 360, ANGLE), width=max(1.0, seen / 12), span=seen / 2, channels=channels))
    if channels == 3:
        found.append(colours(canvas))
    return found


def grey(channels: int, size: int | tuple[int, int]) -> Float[Tensor, "one channel row col"]:
    """A picture without anything on it.

    Arguments:
        channels, size: of the picture.
    """
    rows, cols = (size, size) if isinstance(size, int) else size
    return torch.full((1, channels, rows, cols), 0.5)


def _taken(model: Model, site: str, least: int, most: int, channels: int) -> int:
    """The smallest of some sizes, each twice the last, that the network takes: pooling leaves nothing of too small a picture."""
    while least < most:
        try:
            model.run(grey(channels, least), read=[site], logits=False)
            return least
        except InputError:
            least = min(most, 2 * least)
    return most


def kept_in(folder: str | Path | None, part: str) -> Path | None:
    """Where the finished pieces of a part of a page are kept; `None` where nothing is.

    Arguments:
        folder: for all parts.
        part: its name.
    """
    return None if folder is None else Path(folder) / re.sub(r"[^\w.-]+", "-", part)
