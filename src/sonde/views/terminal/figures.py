"""One function per kind of drawing: its data as a rich renderable."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sonde.results.drawing import Drawing
from sonde.views.terminal.ink import NEGATIVE, POSITIVE, fitted, label, sentence, tone
from sonde.views.text import readable, shared_size, token, visible

MOST_ROWS = 24
MOST_BARS = 10


def figure(drawing: Drawing, width: int) -> RenderableType:
    """Give a drawing with its title, unit and note, at most `width` cells wide where its words allow it."""
    unit = f"  {visible(drawing.unit)}" if drawing.unit else ""
    title = sentence(drawing.title, "bold").append(unit, style="not bold dim")
    note = [sentence(drawing.note, "dim")] if drawing.note else []
    return Group(title, _FIGURES[drawing.kind](drawing, width), *note)


def claim(text: str, evidence: dict[str, Any]) -> RenderableType:
    """Give a claim behind its badge (a shape and a word), and under it the figures that decide it."""
    shape, word = {True: ("✓", "holds"), False: ("✗", "does not hold"), None: ("?", "not testable")}[evidence["holds"]]
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(shape, style="bold"), sentence(text))
    grid.add_row("", Text(f"{word}: {_evidence_line(evidence)}", style="dim"))
    return grid


def _evidence_line(evidence: dict[str, Any]) -> str:
    if evidence["reason"]:
        return label(evidence["reason"])
    like = max((abs(value) for value in (evidence["measured"], evidence["control"]) if value is not None), default=None)
    line = f"{label(evidence['measure'])} {readable(evidence['measured'], like=like)}, control {readable(evidence['control'], like=like)}"
    if evidence["interval"]:
        line += f", difference {_ends(evidence['interval'], like)} (95 %), n = {evidence['n']}"
    return line


def _tokens(drawing: Drawing, width: int) -> RenderableType:
    """Each token over its value, packed into lines."""
    signed = drawing.legend["scale"] == "diverging"
    above, below, lines = Text(), Text(), []
    for name, value in zip(map(token, drawing.data["tokens"]), drawing.data["values"], strict=True):
        amount = readable(value, signed=signed, like=drawing.legend["high"])
        name = fitted(name, max(8, width - 2))
        room = max(cell_len(name), len(amount))
        if above and cell_len(above.plain) + room > width:
            lines += [above, below]
            above, below = Text(), Text()
        above.append(name, style=tone(value, drawing.legend)).append(" " * (room - cell_len(name) + 2))
        below.append(amount.ljust(room + 2), style="dim")
    return Group(*lines, above, below)


def _matrix(drawing: Drawing, width: int) -> RenderableType:
    """The grid with its shorter axis across where that fits; otherwise its strongest cells."""
    values, row, col = drawing.data["values"], drawing.axes["row"], drawing.axes["col"]
    if len(col["labels"]) > len(row["labels"]):
        values, row, col = [list(column) for column in zip(*values, strict=True)], col, row
    signed = drawing.legend["scale"] == "diverging"
    heads, sides = list(map(token, col["labels"])), [fitted(token(side), 16) for side in row["labels"]]
    room = max(map(cell_len, [*sides, f"{row['name']}"]), default=0) + sum(max(7, min(cell_len(head), 10)) + 1 for head in heads)
    if len(sides) > MOST_ROWS or room > width:
        return _strongest(values, row, col, drawing.legend, width)
    cells = [
        [Text(readable(value, signed=signed, like=drawing.legend["high"]), style=tone(value, drawing.legend)) for value in line] for line in values
    ]
    return _grid(f"{row['name']} \\ {col['name']}", heads, sides, cells)


def _strongest(values: Sequence[Sequence[float | None]], row: dict, col: dict, legend: dict, width: int) -> RenderableType:
    cells = [(v, r, c) for r, line in enumerate(values) for c, v in enumerate(line) if v is not None]
    ranked = sorted(cells, key=lambda cell: -abs(cell[0]))[:MOST_BARS]
    labels = [f"{row['name']} {token(row['labels'][r])} · {col['name']} {token(col['labels'][c])}" for _, r, c in ranked]
    shown = _signed_bars(labels, [value for value, _, _ in ranked], [""] * len(ranked), width, legend["high"])
    return Group(shown, Text(f"the strongest {len(ranked)} of {len(cells)} cells; the page has them all", style="dim"))


def _lens(drawing: Drawing, width: int) -> RenderableType:
    """Positions down, layers across; as many evenly spaced layers and last positions as fit, the model's own guess marked."""
    tops, values, marks = drawing.data["top"], drawing.data["values"], drawing.data.get("marks")
    sides = [fitted(token(side), 14) for side in drawing.axes["col"]["labels"]]
    cell = 11
    many = len(tops)
    fit = max(2, (width - max(map(cell_len, [*sides, "position"]))) // (cell + 1))
    layers = sorted({round(i * (many - 1) / (fit - 1)) for i in range(fit)}) if many > fit else list(range(many))
    first = max(0, len(sides) - MOST_ROWS)

    def guess(layer: int, place: int) -> Text:
        mark = "●" if marks and marks[layer][place] else " "
        return Text(mark + fitted(token(tops[layer][place]), cell - 1), style=tone(values[layer][place], drawing.legend))

    cells = [[guess(layer, place) for layer in layers] for place in range(first, len(sides))]
    grid = _grid("position", [f" {drawing.axes['row']['labels'][layer]}" for layer in layers], sides[first:], cells, justify="left")
    rules = ["● the model's final guess"] if marks else []
    if len(layers) < many:
        rules.append(f"{len(layers)} of {many} layers")
    if first:
        rules.append(f"the last {len(sides) - first} of {len(sides)} positions")
    return Group(grid, _small_print(rules))


def _bars(drawing: Drawing, width: int) -> RenderableType:
    """The largest bars with their intervals and their own controls; the control of all in the line below."""
    data, control = drawing.data, drawing.control
    high = max((abs(value) for value in data["values"] if value is not None), default=0.0)
    blank = [None] * len(data["labels"])
    asides = [
        "  ".join(filter(None, [_ends(interval, high), f"control {readable(own, signed=True, like=high)}" if own is not None else ""]))
        for interval, own in zip(data.get("intervals", blank), data.get("controls", blank), strict=True)
    ]
    shown = _signed_bars(list(map(label, data["labels"]))[:MOST_BARS], data["values"][:MOST_BARS], asides[:MOST_BARS], width, high)
    rules = [f"the {MOST_BARS} largest of {len(data['labels'])}"] if len(data["labels"]) > MOST_BARS else []
    if control.get("each"):
        rules.append(f"each bar's control: {label(control['each'])}")
    return Group(shown, _small_print([*rules, *_control(control, high)]))


def _ends(interval: Sequence[float | None] | None, like: float | None) -> str:
    return " to ".join(readable(end, signed=True, like=like) for end in interval) if interval else ""


def _control(control: dict[str, Any], like: float) -> list[str]:
    if "label" not in control:
        return []
    ends = f" ({_ends(control['interval'], like)})" if control["interval"] else ""
    return [f"control, {label(control['label'])}: {readable(control['value'], signed=True, like=like)}{ends}"]


def _small_print(rules: list[str]) -> Text:
    return Text("; ".join(rules), style="dim")


def _signed_bars(labels: list[str], values: Sequence[float | None], asides: list[str], width: int, high: float) -> Table:
    """Bars to the right of their labels; the sign is in the figure and in the stroke, so that it survives without colour."""
    room = max(6, min(24, width - 12 - max(map(cell_len, labels), default=0) - max(map(len, asides), default=0)))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    for name, value, aside in zip(labels, values, asides, strict=True):
        length = round(room * min(1.0, abs(value) / high)) if value and high else 0
        stroke, colour = ("━", POSITIVE) if (value or 0) >= 0 else ("╌", NEGATIVE)
        grid.add_row(Text(name), readable(value, signed=True, like=high), Text(stroke * length, style=colour), aside)
    return grid


def _lines(drawing: Drawing, width: int) -> RenderableType:
    """One sparkline per series, all on one vertical scale."""
    series, axis = drawing.data["series"], drawing.axes["x"]
    present = [value for one in series for value in one["values"] if value is not None]
    low, high = min(present, default=0.0), max(present, default=0.0)
    grid = Table.grid(padding=(0, 1))
    for one in series:
        ends = [value for value in one["values"] if value is not None]
        sparks = "".join(_spark(value, low, high) for value in one["values"])
        summary = f"{readable(ends[0])} → {readable(ends[-1])}" if ends else "all missing"
        grid.add_row(Text(label(one["name"])), Text(fitted(sparks, max(8, width - 40))), Text(summary, style="dim"))
    span = f"{axis['name']} {axis['labels'][0]} to {axis['labels'][-1]}; " if axis["labels"] else ""
    rules = [f"{visible(span)}height {readable(low)} to {readable(high)}"]
    return Group(grid, _small_print([*rules, *_control(drawing.control, max(abs(low), abs(high)))]))


def _spark(value: float | None, low: float, high: float) -> str:
    if value is None:
        return " "
    return "▁▂▃▄▅▆▇█"[round(7 * (value - low) / (high - low)) if high > low else 0]


def _verdicts(drawing: Drawing, width: int) -> RenderableType:
    return Group(*(claim(verdict["claim"], verdict) for verdict in drawing.data["verdicts"]))


def _table(drawing: Drawing, width: int) -> RenderableType:
    rows = drawing.data["rows"]
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    columns = []
    for place, head in enumerate(drawing.data["columns"]):
        column = [row[place] for row in rows]
        numeric = bool(rows) and all(isinstance(value, int | float | None) for value in column)
        like = shared_size([value for value in column if isinstance(value, int | float)])
        grid.add_column(Text(visible(head)), justify="right" if numeric else "left", overflow="fold")
        columns.append([Text(_cell(value, like)) for value in column[:MOST_ROWS]])
    for cells in zip(*columns, strict=True):
        grid.add_row(*cells)
    return grid if len(rows) <= MOST_ROWS else Group(grid, Text(f"the first {MOST_ROWS} of {len(rows)} rows", style="dim"))


def _cell(value: str | float | bool | None, like: float | None) -> str:
    match value:
        case str():
            return label(value)
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value}".replace("-", "−")
    return readable(value, like=like)


def _grid(corner: str, heads: list[str], sides: list[str], cells: list[list[Text]], justify: Any = "right") -> Table:
    grid = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    grid.add_column(Text(visible(corner)), no_wrap=True)
    for head in heads:
        grid.add_column(Text(fitted(head, 10)), justify=justify, no_wrap=True)
    for side, line in zip(sides, cells, strict=True):
        grid.add_row(Text(side), *line)
    return grid


_FIGURES: dict[str, Callable[[Drawing, int], RenderableType]] = {
    "tokens": _tokens,
    "matrix": _matrix,
    "lens": _lens,
    "bars": _bars,
    "lines": _lines,
    "verdicts": _verdicts,
    "table": _table,
}
