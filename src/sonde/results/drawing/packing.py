"""Pictures and maps as bytes, so that a page stays small: a byte per channel of a pixel, two bytes per value of a map.

A value is kept as a whole number of steps, `STEPS` of them to the map's largest size, so that it is off by less than 0.00002 of that. What has
more pixels or values than it may is pooled: pixels to their mean, values to the one of largest size in each block; the factor is kept.
"""

import base64
import math
from array import array
from collections.abc import Callable, Sequence
from sys import byteorder
from typing import Any

from sonde.results.drawing.base import flat
from sonde.results.plain import Numbers, items, json_ready, mean, nested, number

STEPS = 30_000
_MISSING = -(2**15)


def packed_picture(name: str, picture: Numbers, most: int) -> dict[str, Any]:
    """Pack a picture with axes (channel, row, col); beyond 0 to 1, its own darkest and brightest become black and white, and `range` says so.

    Raises:
        ValueError: other than one or three channels, rows of different length, or a pixel that is missing or infinite.
    """
    channels = items(name, picture)
    if len(channels) not in (1, 3):
        raise ValueError(
            f"{name} has {len(channels)} channels; its axes are (channel, row, col), with one channel for grey or three for red, green, blue"
        )
    first = grid_of(name, channels[0])
    shape = (len(first), len(first[0]))
    rows = [first, *(nested(name, channel, shape, number) for channel in channels[1:])]
    if any(None in line for channel in rows for line in channel):
        raise ValueError(f"{name} has a missing pixel; give it the value that the model saw")
    pool = _factor(shape, most)
    rows = [pooled(channel, pool, mean) for channel in rows]
    low, high = (end(end(line) for channel in rows for line in channel) for end in (min, max))
    if low < 0 or high > 1:
        span = high - low or 1.0
        rows = [[[(pixel - low) / span for pixel in line] for line in channel] for channel in rows]
    else:
        low, high = 0.0, 1.0
    pixels = bytes(round(255 * pixel) for lines in zip(*rows, strict=True) for pixel in _pixels(lines))
    return {
        "rows": len(rows[0]),
        "cols": len(rows[0][0]),
        "channels": len(rows),
        "range": [low, high],
        "pool": pool,
        "pixels": base64.b64encode(pixels).decode("ascii"),
    }


def packed_map(cells: list[list[float | None]], most: int) -> dict[str, Any]:
    """Pack values with axes (row, col)."""
    pool = _factor((len(cells), len(cells[0])), most)
    cells = pooled(cells, pool, strongest)
    # rounded as in JSON, so that a page and Python read the same values
    largest = json_ready(max((abs(cell) for cell in flat(cells) if cell is not None), default=0.0))
    steps = array("h", (_MISSING if cell is None else _step(cell, largest) for cell in flat(cells)))
    if byteorder == "big":
        steps.byteswap()
    return {
        "rows": len(cells),
        "cols": len(cells[0]),
        "largest": largest,
        "pool": pool,
        "steps": base64.b64encode(steps.tobytes()).decode("ascii"),
    }


def unpacked_map(packed: dict[str, Any]) -> list[list[float | None]]:
    """Give back the values of a packed map, with axes (row, col).

    >>> unpacked_map(packed_map([[1.0, None], [-0.5, 0.0]], most=100))
    [[1.0, None], [-0.5, 0.0]]
    """
    steps = array("h", base64.b64decode(packed["steps"]))
    if byteorder == "big":
        steps.byteswap()
    values = [None if step == _MISSING else float(f"{step / STEPS * packed['largest']:.5g}") for step in steps]
    return [values[start : start + packed["cols"]] for start in range(0, len(values), packed["cols"])]


def grid_of(name: str, values: Numbers) -> list[list[float | None]]:
    """Give values with axes (row, col) as rows of one length; at least one."""
    rows = items(name, values)
    width = len(items(name, rows[0])) if rows else 0
    if not width:
        raise ValueError(f"{name} is empty; its axes are (row, col)")
    cells: list[list[float | None]] = nested(name, rows, (len(rows), width), number)
    return cells


def pooled(cells: Sequence[Sequence[Any]], factor: int, reduce: Callable[[list[Any]], Any]) -> list[list[Any]]:
    """Give one value for each block of `factor` rows and columns; the last blocks may be smaller.

    >>> pooled([[1, 2, 3], [4, 5, 6]], 2, max)
    [[5, 6]]
    """
    if factor == 1:
        return [list(row) for row in cells]
    starts = range(0, len(cells[0]), factor)
    return [
        [reduce([cell for row in cells[top : top + factor] for cell in row[left : left + factor]]) for left in starts]
        for top in range(0, len(cells), factor)
    ]


def strongest(cells: Sequence[float | None]) -> float | None:
    """Give the value of largest size; `None` if all are missing.

    >>> strongest([None, 1.0, -3.0])
    -3.0
    """
    return max((cell for cell in cells if cell is not None), key=abs, default=None)


def _step(cell: float, largest: float) -> int:
    return max(-STEPS, min(STEPS, round(cell / largest * STEPS))) if largest else 0


def _factor(shape: tuple[int, int], most: int) -> int:
    """The smallest factor that pools to at most so many cells."""
    factor = max(1, math.isqrt(shape[0] * shape[1] // most))
    while math.ceil(shape[0] / factor) * math.ceil(shape[1] / factor) > max(1, most):
        factor += 1
    return factor


def _pixels(lines: Sequence[Sequence[float]]) -> list[float]:
    """The channels of each pixel beside each other."""
    return [value for pixel in zip(*lines, strict=True) for value in pixel]
