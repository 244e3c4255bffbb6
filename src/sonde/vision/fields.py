"""Which pixels can reach a unit at a place? Its receptive field, found on the network itself: pixels that are no numbers make what they reach none.

NaN passes through convolutions, pooling, norms and rectifiers whatever their weights, so that what it leaves untouched can't depend on it. From a
layer's middle place and the next one along each axis follow the first pixel, the stride and the size,

    first(place) = start + stride place,    last(place) = first(place) + size - 1

cut at the picture's borders; the law is held against the corner place. Where a field touches the border already in the middle, or the law fails
there, the whole picture is taken. (Gradients do not show it: a rectifier or a maximum that is off hides pixels that could matter.)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Model
from sonde.vision.layers import as_maps

Box = tuple[int, int, int, int]
Axis = tuple[int, int, int]


@dataclass(frozen=True)
class Field:
    """The pixels that can reach a unit at each place.

    Arguments:
        picture: rows and columns of the pictures.
        places: rows and columns of the layer's maps; (0, 0) of a layer without places.
        rows, cols: along each axis the first pixel of place 0, the pixels from place to place, and how many reach one; `None` where all do.
    """

    picture: tuple[int, int]
    places: tuple[int, int]
    rows: Axis | None
    cols: Axis | None

    def __post_init__(self) -> None:
        for name in ("picture", "places", "rows", "cols"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    def box(self, row: int, col: int) -> Box:
        """Top, left, and the row and the column after the last, cut at the picture's borders.

        Arguments:
            row, col: the place.

        >>> Field((16, 16), (8, 8), (-1, 2, 3), None).box(0, 5)
        (0, 0, 2, 16)
        """
        (top, bottom), (left, right) = (
            _span(axis, place, length) for axis, place, length in zip((self.rows, self.cols), (row, col), self.picture, strict=True)
        )
        return top, left, bottom, right

    @property
    def whole(self) -> bool:
        """Whether every box is the whole picture."""
        return self.rows is None and self.cols is None


def receptive_field(model: Model, site: str, channels: int, size: tuple[int, int]) -> Field:
    """The receptive field of a layer's places.

    Arguments:
        model: the network.
        site: the layer.
        channels, size: of the pictures.
    """

    def reached(masks: Bool[Tensor, "picture row col"]) -> Bool[Tensor, "picture *place"]:
        views = torch.zeros(len(masks), channels, *size).masked_fill(masks[:, None], math.nan)
        with torch.backends.cudnn.flags(enabled=False):  # its transforms of tiles would spread what is no number
            run = model.run(views, read=[site], logits=False)
        return as_maps(model, site, run[site], ("batch", *run.axes(site)[1:]), size).isnan().any(1).cpu()

    places = tuple(reached(torch.zeros(1, *size, dtype=torch.bool)).shape[1:])
    if len(places) != 2:
        return Field(size, (0, 0), None, None)
    rows, cols = (_axis(reached, axis, size, places[axis]) for axis in (0, 1))
    return Field(size, (places[0], places[1]), rows, cols)


def _axis(reached: Callable[[Tensor], Tensor], axis: int, size: tuple[int, int], places: int) -> Axis | None:
    n = size[axis]
    middle = (places - 1) // 2
    probes = [middle, middle + 1] if places > 1 else [middle]

    def hit(spans: list[tuple[int, int]], at: list[int]) -> list[bool]:
        """Whether the pixels from one to before another reach a place."""
        masks = torch.zeros(len(spans), *size, dtype=torch.bool)
        for mask, (start, end) in zip(masks, spans, strict=True):
            (mask if axis == 0 else mask.T)[start:end] = True
        maps = reached(masks).any(2 - axis)
        return [bool(line[place]) for line, place in zip(maps, at, strict=True)]

    if not all(hit([(0, n)] * len(probes), probes)):
        return None
    low, high = [0] * 2 * len(probes), [n - 1] * 2 * len(probes)
    while any(a < b for a, b in zip(low, high, strict=True)):
        # the first pixel is the least end of a beginning that reaches; the last the greatest start of a rest that does
        half = [(a + b + (i >= len(probes))) // 2 for i, (a, b) in enumerate(zip(low, high, strict=True))]
        spans = [(0, t + 1) if i < len(probes) else (t, n) for i, t in enumerate(half)]
        for i, yes in enumerate(hit(spans, probes * 2)):
            if i < len(probes):
                low[i], high[i] = (low[i], half[i]) if yes else (half[i] + 1, high[i])
            else:
                low[i], high[i] = (half[i], high[i]) if yes else (low[i], half[i] - 1)
    first, last = low[: len(probes)], low[len(probes) :]
    if places == 1:
        return first[0], 1, last[0] - first[0] + 1
    if first[0] == 0 or last[0] == n - 1:
        return None
    stride, length = first[1] - first[0], last[0] - first[0] + 1
    law = first[0] - stride * middle, stride, length
    start, end = _span(law, 0, n)
    if stride < 1 or start >= end or hit([(end - 1, end), (end, n)], [0, 0]) != [True, False]:
        return None
    return law


def _span(axis: Axis | None, place: int, length: int) -> tuple[int, int]:
    if axis is None:
        return 0, length
    start, stride, size = axis
    return max(0, start + stride * place), min(length, start + stride * place + size)
