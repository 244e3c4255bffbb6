"""Points in a plane and spreads of samples in a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sonde.results.drawing import Drawing
from sonde.views.terminal.amounts import control_words, small_print
from sonde.views.terminal.ink import fitted, label
from sonde.views.text import readable

MOST_ROWS = 24
HEIGHT = 14
MARKS = "●○◆◇▲△■□"


def scatter(drawing: Drawing, width: int) -> RenderableType:
    """The plane as characters: a mark for each set of points, a square where sets meet."""
    series, across = drawing.data["series"], max(10, min(60, width - 12))
    points = [
        (x, y, mark)
        for one, mark in zip(series, MARKS, strict=False)
        for x, y in zip(one["x"], one["y"], strict=True)
        if x is not None and y is not None
    ]
    x_ends, y_ends = _ends([x for x, _, _ in points]), _ends([y for _, y, _ in points])
    field = [[" "] * across for _ in range(HEIGHT)]
    if drawing.data["diagonal"]:
        for col in range(across):
            row = _place(x_ends[0] + (x_ends[1] - x_ends[0]) * col / (across - 1), y_ends, HEIGHT)
            if row is not None:
                field[HEIGHT - 1 - row][col] = "·"
    for x, y, mark in points:
        row, col = HEIGHT - 1 - (_place(y, y_ends, HEIGHT) or 0), _place(x, x_ends, across) or 0
        field[row][col] = mark if field[row][col] in (" ", "·", mark) else "▣"
    lines = [Text("│" + "".join(line).rstrip()) for line in field]
    frame = Text("└" + "─" * across)
    rules = [
        f"{label(drawing.axes['x']['name'])} {readable(x_ends[0])} to {readable(x_ends[1])}",
        f"height, {label(drawing.unit)}, {readable(y_ends[0])} to {readable(y_ends[1])}",
        *([f"·· {label(drawing.data['diagonal'])}"] if drawing.data["diagonal"] else []),
        *(["▣ several sets"] if any("▣" in line for line in field) else []),
        *([f"{drawing.legend['missing']} points are missing"] if drawing.legend["missing"] else []),
        *control_words(drawing.control, max(map(abs, y_ends))),
    ]
    names = [Text(f"{mark} {fitted(label(one['name']), max(8, width - 2))}") for one, mark in zip(series, MARKS, strict=False)]
    return Group(*names, *lines, frame, small_print(rules))


def violins(drawing: Drawing, width: int) -> RenderableType:
    """For each label its extremes, its quartiles as a box, its median as a mark, on one scale; and the figures."""
    data = drawing.data
    ends = _ends([amount for one in data["violins"] for amount in one["quartiles"] if amount is not None] + [0.0])
    like = max(map(abs, ends))
    grid = Table.grid(padding=(0, 1))
    names = [fitted(label(name), 24) for name in data["labels"]]
    across = max(12, min(48, width - 46))
    for name, one in list(zip(names, data["violins"], strict=True))[:MOST_ROWS]:
        lower, middle, upper = (readable(amount, like=like) for amount in one["quartiles"][1:4])
        known = f"{middle} ({lower} to {upper}), n = {one['n']}" if one["n"] else "no samples"
        aside = known + (f", {one['missing']} missing" if one["missing"] else "")
        grid.add_row(Text(name), Text(_box(one["quartiles"], ends, across)), Text(aside, style="dim"))
    rules = [f"┃ median, ━ quartiles, ─ extremes; from {readable(ends[0])} to {readable(ends[1])}", *control_words(drawing.control, like)]
    if len(names) > MOST_ROWS:
        rules.append(f"the first {MOST_ROWS} of {len(names)}")
    return Group(grid, small_print(rules))


def _box(quartiles: Sequence[float | None], ends: tuple[float, float], across: int) -> str:
    if quartiles[0] is None:
        return ""
    low, lower, middle, upper, high = (_place(amount, ends, across) or 0 for amount in quartiles)
    line = [" "] * across
    line[low : high + 1] = "─" * (high + 1 - low)
    line[lower : upper + 1] = "━" * (upper + 1 - lower)
    line[middle] = "┃"
    return "".join(line).rstrip()


def _ends(amounts: Sequence[float]) -> tuple[float, float]:
    return min(amounts, default=0.0), max(amounts, default=0.0)


def _place(amount: Any, ends: tuple[float, float], count: int) -> int | None:
    """The place of an amount among `count` places from one end to the other; none beyond them."""
    low, high = ends
    if amount is None or not low <= amount <= high:
        return None
    return round((amount / 2 - low / 2) / (high / 2 - low / 2) * (count - 1)) if high > low else 0  # halves: the largest floats don't overflow
