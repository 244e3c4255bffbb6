"""Pictures in a terminal: of heat maps over them where the large values lie, and what they are; else what is said under them."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sonde.results.drawing import Drawing, unpacked_map
from sonde.results.drawing.packing import amounts_of, blocks, grid_of, strongest
from sonde.views.terminal.amounts import control_words, signed_bars, small_print
from sonde.views.terminal.cells import grid
from sonde.views.terminal.ink import fitted, label, tone
from sonde.views.text import readable, visible
from sonde.views.text import token as drawn

MOST_ROWS = 16
FEW = 5
# a value's size in three steps, with its sign: a map can be read without colour
ABOVE, BELOW = "··++##", "··--=="


def overlay(drawing: Drawing, width: int) -> RenderableType:
    """The map as signs, each for a block of values, and the values of largest size."""
    values, legend = unpacked_map(drawing.data["map"]), drawing.legend
    factor = max(-(-len(values) // MOST_ROWS), -(-len(values[0]) // max(1, width // 2)))
    pooled = strongest(blocks(grid_of("values", values), factor))
    lines = [Text.assemble(*(_sign(value, legend) for value in amounts_of(line))) for line in pooled]
    cells = [(value, f"row {r}, column {c}") for r, line in enumerate(values) for c, value in enumerate(line) if value is not None]
    top = sorted(cells, key=lambda cell: -abs(cell[0]))[:FEW]
    shown = signed_bars([place for _, place in top], [value for value, _ in top], [""] * len(top), width, legend["high"])
    rules = [f"## and == from 50 %, ++ and -- from 10 % of {readable(legend['high'])}"]
    if factor > 1:
        rules.append(f"each sign is the value of largest size among {factor} × {factor}")
    rules += [f"bars: the {len(top)} of largest size among {len(cells)}", *control_words(drawing.control, legend["high"])]
    return Group(*lines, shown, small_print(rules))


def overlays(drawing: Drawing, width: int) -> RenderableType:
    """The value of largest size of each map."""
    data, row, col = drawing.data, drawing.axes["row"], drawing.axes["col"]
    words = data.get("details", [[""] * len(col["labels"])] * len(row["labels"]))
    sides = [fitted(drawn(side), 16) for side in row["labels"]]
    room = max(7, (width - 18) // max(1, len(col["labels"])) - 1)
    cells = [
        [_cell(one, text, drawing, room) for one, text in zip(maps, texts, strict=True)] for maps, texts in zip(data["maps"], words, strict=True)
    ]
    fit = max(1, (width - 18) // (room + 1))
    heads = [drawn(head) for head in col["labels"]]
    rules = ["the value of largest size of each map; the page has the maps"]
    if fit < len(heads):
        rules.append(f"the first {fit} of {len(heads)} columns")
    shown = grid(f"{row['name']} \\ {col['name']}", heads[:fit], sides, [line[:fit] for line in cells], room=room)
    return Group(shown, small_print(rules))


def picture_grid(drawing: Drawing, width: int) -> RenderableType:
    """What is said under each picture."""
    data, row, col = drawing.data, drawing.axes["row"], drawing.axes["col"]
    room = max(9, (width - 26) // max(1, len(col["labels"])) - 1)
    fit = max(1, (width - 26) // (room + 1))
    cells = [[_caption(data, r, c, room) for c in range(min(fit, len(col["labels"])))] for r in range(len(row["labels"]))]
    heads, sides = [drawn(head) for head in col["labels"]], [fitted(drawn(side), 24) for side in row["labels"]]
    rules = ["the page has the pictures" + (" and the maps" if "maps" in data else "")]
    if fit < len(heads):
        rules.append(f"the first {fit} of {len(heads)} columns")
    return Group(grid(f"{row['name']} \\ {col['name']}", heads[:fit], sides, cells, room=room), small_print(rules))


def _caption(data: dict[str, Any], row: int, col: int, room: int) -> Text:
    plotted = data["maps"][row][col] if "maps" in data else None
    if data["pictures"][row][col] is None and plotted is None:
        return Text("–", style="dim")
    value = data["values"][row][col] if "values" in data else None
    words = data["details"][row][col] if "details" in data else ""
    shown = Text(("picture" if plotted is None else "map") if value is None else readable(value))
    return shown.append(f"\n{fitted(label(visible(words)), room)}", style="dim") if words else shown


def _sign(value: float | None, legend: dict[str, Any]) -> tuple[str, Any]:
    if value is None:
        return "??", tone(None, legend)
    share = abs(value) / legend["high"] if legend["high"] else 0.0
    step = 2 * ((share >= 0.1) + (share >= 0.5))
    return (ABOVE if value >= 0 else BELOW)[step : step + 2], tone(value, legend)


def _cell(one: dict[str, Any] | None, words: str, drawing: Drawing, room: int) -> Text:
    if one is None:
        return Text("–", style="dim")
    value = max((value for line in unpacked_map(one) for value in line if value is not None), key=abs, default=None)
    legend = drawing.legend | ({"high": one["largest"]} if drawing.data["own"] else {})
    shown = Text(readable(value, signed=drawing.legend["low"] < 0, like=legend["high"]), style=tone(value, legend))
    return shown.append(f"\n{fitted(label(visible(words)), room)}", style="dim") if words else shown
