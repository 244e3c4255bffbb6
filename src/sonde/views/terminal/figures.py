"""One function per kind of drawing: its data as a rich renderable."""

from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sonde.results.drawing import Drawing
from sonde.views.terminal.amounts import bars, ends, lines, rose, small_print, waterfall
from sonde.views.terminal.cells import attention, lens, lenses, matrix, one_lens, swap, tokens
from sonde.views.terminal.circuits import circuit_graph, circuit_pair
from sonde.views.terminal.ink import label, sentence
from sonde.views.terminal.pictures import overlay, overlays, picture_grid
from sonde.views.terminal.points import scatter, violins
from sonde.views.text import readable, shared_size, visible

MOST_ROWS = 24


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
        line += f", difference {ends(evidence['interval'], like)} (95 %), n = {evidence['n']}"
    return line


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
        columns.append([_entry(drawing, row, place, like) for row in range(min(len(rows), MOST_ROWS))])
    for cells in zip(*columns, strict=True):
        grid.add_row(*cells)
    rules = ["* the best of its column"] if "best" in drawing.data else []
    if len(rows) > MOST_ROWS:
        rules.append(f"the first {MOST_ROWS} of {len(rows)} rows")
    return Group(grid, small_print(rules)) if rules else grid


def _entry(drawing: Drawing, row: int, col: int, like: float | None) -> Text:
    """A cell with the mark of the best and, under it, its interval."""
    data = drawing.data
    is_best = "best" in data and data["best"][row][col]
    mark = ("*" if is_best else " ") if "best" in data else ""
    entry = Text(_cell(data["rows"][row][col], like) + mark, style="bold" if is_best else "")
    interval = data["intervals"][row][col] if "intervals" in data else None
    return entry.append(f"\n{'…'.join(readable(end, like=like) for end in interval)}{' ' * len(mark)}", style="not bold dim") if interval else entry


def _cell(value: str | float | bool | None, like: float | None) -> str:
    match value:
        case str():
            return label(value)
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value}".replace("-", "−")
    return readable(value, like=like)


def _group(drawing: Drawing, width: int) -> RenderableType:
    """The drawings of a group, one after the other, each under its label; one table in several colours is printed once."""
    parts = [(part["label"], Drawing(**part["drawing"])) for part in drawing.data["parts"]]
    if one_lens([one for _, one in parts]):
        return lenses(parts, width)
    shown: list[RenderableType] = []
    for name, one in parts:
        shown += [sentence(name, "underline"), Padding(figure(one, width - 2), (0, 0, 1, 2))]
    return Group(*shown)


_FIGURES: dict[str, Callable[[Drawing, int], RenderableType]] = {
    "tokens": tokens,
    "matrix": matrix,
    "lens": lens,
    "bars": bars,
    "waterfall": waterfall,
    "lines": lines,
    "rose": rose,
    "scatter": scatter,
    "violins": violins,
    "swap": swap,
    "attention": attention,
    "head_grid": matrix,
    "overlay": overlay,
    "overlays": overlays,
    "picture_grid": picture_grid,
    "circuit_graph": circuit_graph,
    "circuit_pair": circuit_pair,
    "verdicts": _verdicts,
    "table": _table,
    "tabs": _group,
    "beside": _group,
}
