"""Pictures and maps as bytes, so that a page stays small: a byte per channel of a pixel, two bytes per value of a map.

A value is kept as a whole number of steps, `STEPS` of them to the map's largest size, so that it is off by less than 0.00002 of that. What has
more pixels or values than it may is pooled: pixels to their mean, values to the one of largest size in each block; the factor is kept.
"""

import base64
import math
from typing import TYPE_CHECKING, Any

from sonde.results.plain import Numbers, items, json_ready, nested, number

if TYPE_CHECKING:
    import numpy as np

    Cells = np.ndarray[Any, np.dtype[np.float64]]

STEPS = 30_000
_MISSING = -(2**15)


def packed_picture(name: str, picture: Numbers, most: int) -> dict[str, Any]:
    """Pack a picture with axes (channel, row, col); beyond 0 to 1, its own darkest and brightest become black and white, and `range` says so.

    Raises:
        ValueError: other than one or three channels, rows of different length, or a pixel that is missing or infinite.
    """
    import numpy as np

    channels = items(name, picture)
    if len(channels) not in (1, 3):
        raise ValueError(f"{name} has {len(channels)} channels; its axes are (channel, row, col), with one channel or three (red, green, blue)")
    first = grid_of(name, channels[0])
    pixels = np.stack([first, *(grid_of(name, channel, first.shape) for channel in channels[1:])])
    if np.isnan(pixels).any():
        raise ValueError(f"{name} has a missing pixel; give it the value that the model saw")
    pool = _factor(first.shape, most)
    pixels = np.stack([np.nanmean(blocks(channel, pool), -1) for channel in pixels])
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        pixels = (pixels - low) / (high - low or 1.0)
    else:
        low, high = 0.0, 1.0
    return {
        "rows": pixels.shape[1],
        "cols": pixels.shape[2],
        "channels": len(pixels),
        "range": [low, high],
        "pool": pool,
        "pixels": _text(np.rint(255 * pixels).astype(np.uint8).transpose(1, 2, 0)),
    }


def packed_map(cells: "Cells", most: int) -> dict[str, Any]:
    """Pack values with axes (row, col), NaN where missing."""
    import numpy as np

    pool = _factor(cells.shape, most)
    cells = strongest(blocks(cells, pool))
    # rounded as in JSON, so that a page and Python read the same values
    largest = json_ready(float(np.nanmax(np.abs(cells), initial=0.0)))
    shares = cells / largest if largest else np.where(np.isnan(cells), np.nan, 0.0)
    steps = np.where(np.isnan(shares), _MISSING, np.clip(np.rint(STEPS * shares), -STEPS, STEPS))
    return {
        "rows": cells.shape[0],
        "cols": cells.shape[1],
        "largest": largest,
        "pool": pool,
        "steps": _text(steps.astype("<i2")),
    }


def unpacked_map(packed: dict[str, Any]) -> list[list[float | None]]:
    """Give back the values of a packed map, with axes (row, col); `None` where missing.

    >>> import numpy as np
    >>> unpacked_map(packed_map(np.array([[1.0, np.nan], [-0.5, 0.0]]), most=100))
    [[1.0, None], [-0.5, 0.0]]
    """
    import numpy as np

    steps = np.frombuffer(base64.b64decode(packed["steps"]), "<i2").reshape(packed["rows"], packed["cols"])
    return [[None if step == _MISSING else float(f"{step / STEPS * packed['largest']:.5g}") for step in row] for row in steps.tolist()]


def grid_of(name: str, values: Numbers, shape: tuple[int, ...] | None = None) -> "Cells":
    """Give values with axes (row, col) as an array, NaN where missing; rows of one length, at least one."""
    import numpy as np

    plain = values.tolist() if hasattr(values, "tolist") else values
    try:
        cells = np.array(plain, dtype=np.float64)
    except (TypeError, ValueError):
        cells = np.array(0.0)
    if cells.ndim == 2 and cells.size and shape in (None, cells.shape) and not np.isinf(cells).any():
        return cells
    rows = items(name, plain)  # what does not fit is named, one value at a time
    width = len(items(name, rows[0])) if rows else 0
    if not width:
        raise ValueError(f"{name} is empty; its axes are (row, col)")
    return np.array(nested(name, rows, shape or (len(rows), width), number), dtype=np.float64)


def amounts_of(cells: "Cells") -> list[float | None]:
    """Give all values in one row, `None` where missing."""
    return [None if math.isnan(cell) else cell for cell in cells.ravel().tolist()]


def blocks(cells: "Cells", factor: int) -> "Cells":
    """Give the values of each block of `factor` rows and columns along a new last axis; NaN where the last blocks are smaller.

    >>> import numpy as np
    >>> blocks(np.array([[1.0, 2.0, 3.0]]), 2).tolist()
    [[[1.0, 2.0, nan, nan], [3.0, nan, nan, nan]]]
    """
    import numpy as np

    rows, cols = (-(-length // factor) for length in cells.shape)
    padded = np.full((rows * factor, cols * factor), np.nan)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    return padded.reshape(rows, factor, cols, factor).swapaxes(1, 2).reshape(rows, cols, factor * factor)


def strongest(along: "Cells") -> "Cells":
    """Give the value of largest size along the last axis; NaN where all are missing.

    >>> import numpy as np
    >>> strongest(np.array([[np.nan, 1.0, -3.0]])).tolist()
    [-3.0]
    """
    import numpy as np

    places = np.where(np.isnan(along), -1.0, np.abs(along)).argmax(-1)
    return np.take_along_axis(along, places[..., None], -1)[..., 0]


def _factor(shape: tuple[int, ...], most: int) -> int:
    """The smallest factor that pools to at most so many cells."""
    factor = max(1, math.isqrt(math.prod(shape) // most))
    while math.prod(math.ceil(length / factor) for length in shape) > max(1, most):
        factor += 1
    return factor


def _text(numbers: "np.ndarray[Any, Any]") -> str:
    return base64.b64encode(numbers.tobytes()).decode("ascii")
