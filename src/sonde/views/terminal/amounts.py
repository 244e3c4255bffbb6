"""Amounts in a terminal: ranked bars, a waterfall, sparklines."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sonde.results.drawing import Drawing
from sonde.views.terminal.ink import NEGATIVE, POSITIVE, fitted, label
from sonde.views.text import readable, visible

MOST_BARS = 10
SHORTEST = 6  # cells that the longest bar has at least


def bars(drawing: Drawing, width: int) -> RenderableType:
    """The largest bars with their intervals and their own controls; the control of all in the line below."""
    data, control = drawing.data, drawing.control
    high = max((abs(value) for value in data["values"] if value is not None), default=0.0)
    asides = [_aside(data, place, high) for place in range(len(data["labels"]))]
    shown = signed_bars(list(map(label, data["labels"]))[:MOST_BARS], data["values"][:MOST_BARS], asides[:MOST_BARS], width, high)
    rules = [f"the {MOST_BARS} largest of {len(data['labels'])}"] if len(data["labels"]) > MOST_BARS else []
    if control.get("each"):
        rules.append(f"each bar's control: {label(control['each'])}")
    return Group(shown, small_print([*rules, *control_words(control, high)]))


def waterfall(drawing: Drawing, width: int) -> RenderableType:
    """The largest contributions, the others summed, the remainder and the total, each with where the sum stands after it."""
    data = drawing.data
    names, values = list(map(label, data["labels"])), list(data["values"])
    like = max(map(abs, values), default=0.0) or abs(data["total"])
    longest = max(map(abs, [*values, data["total"], data["remainder"] or 0.0]))
    bounds = [_aside(data, place, like) for place in range(len(names))]
    if len(names) > MOST_BARS:
        others = len(names) - MOST_BARS
        names[MOST_BARS:], values[MOST_BARS:] = [f"the other {others}, summed"], [sum(values[MOST_BARS:])]
        bounds[MOST_BARS:] = [""]
    if data["remainder"] is not None:
        names, values, bounds = [*names, "remainder"], [*values, data["remainder"]], [*bounds, ""]
    sums = [readable(amount, signed=True, like=like) for amount in accumulate(values)]
    asides = [f"→ {reached}  {bound}".rstrip() for reached, bound in zip(sums, bounds, strict=True)]
    shown = signed_bars([*names, "total"], [*values, data["total"]], [*asides, ""], width, like, longest)
    rules = [f"each bar's control: {label(drawing.control['each'])}"] if drawing.control.get("each") else []
    return Group(shown, small_print(["→ the sum so far", *rules, *control_words(drawing.control, like)]))


def _aside(data: dict[str, Any], place: int, like: float) -> str:
    """A bar's interval and its own control."""
    interval, own = data["intervals"][place] if "intervals" in data else None, data["controls"][place] if "controls" in data else None
    return "  ".join(filter(None, [ends(interval, like), f"control {readable(own, signed=True, like=like)}" if own is not None else ""]))


def ends(interval: Sequence[float | None] | None, like: float | None) -> str:
    """Give an interval as words; nothing where there is none."""
    return " to ".join(readable(end, signed=True, like=like) for end in interval) if interval else ""


def control_words(control: dict[str, Any], like: float) -> list[str]:
    """Give a control as words; none where there is none."""
    if "label" not in control:
        return []
    between = f" ({ends(control['interval'], like)})" if control["interval"] else ""
    return [f"control, {label(control['label'])}: {readable(control['value'], signed=True, like=like)}{between}"]


def small_print(rules: list[str]) -> Text:
    """Rules of a drawing in one faint line."""
    return Text("; ".join(rules), style="dim")


def signed_bars(labels: list[str], values: Sequence[float | None], asides: list[str], width: int, high: float, longest: float | None = None) -> Table:
    """Bars to the right of their labels; the sign is in the figure and in the stroke, so that it survives without colour.

    Arguments:
        labels, values, asides: one of each per bar.
        width: of the console, in cells.
        high: the size whose three digits decide the decimals.
        longest: the size of the longest bar, where that is another one.
    """
    longest = longest or high
    spare = width - 12 - max(map(len, asides), default=0)
    room = max(SHORTEST, min(24, spare - max(map(cell_len, labels), default=0)))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=max(SHORTEST, spare - room))  # a long label gives way, never a figure
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    for name, value, aside in zip(labels, values, asides, strict=True):
        length = round(room * min(1.0, abs(value) / longest)) if value and longest else 0
        stroke, colour = ("━", POSITIVE) if (value or 0) >= 0 else ("╌", NEGATIVE)
        grid.add_row(Text(name), readable(value, signed=True, like=high), Text(stroke * length, style=colour), aside)
    return grid


def lines(drawing: Drawing, width: int) -> RenderableType:
    """One sparkline per series, all on one vertical scale."""
    series, axis = drawing.data["series"], drawing.axes["x"]
    present = [value for one in [*series, drawing.control] for value in one.get("values", []) if value is not None]
    low, high = min(present, default=0.0), max(present, default=0.0)
    control = [drawing.control | {"name": f"control: {drawing.control['name']}"}] if "values" in drawing.control else []
    grid = Table.grid(padding=(0, 1))
    for one in [*series, *control]:
        known = [value for value in one["values"] if value is not None]
        sparks = "".join(_spark(value, low, high) for value in one["values"])
        summary = f"{readable(known[0])} → {readable(known[-1])}" if known else "all missing"
        grid.add_row(Text(label(one["name"])), Text(fitted(sparks, max(8, width - 40))), Text(summary, style="dim"))
    span = f"{axis['name']} {axis['labels'][0]} to {axis['labels'][-1]}; " if axis["labels"] else ""
    rules = [f"{visible(span)}height {readable(low)} to {readable(high)}"]
    return Group(grid, small_print([*rules, *control_words(drawing.control, max(abs(low), abs(high)))]))


def rose(drawing: Drawing, width: int) -> RenderableType:
    """One sparkline per series over one period, on one scale where they share a rose, and where its largest value stands."""
    series, axis = drawing.data["series"], drawing.axes["x"]
    every = [value for one in series for value in one["values"] if value is not None]
    grid = Table.grid(padding=(0, 1))
    for one in series:
        known = [value for value in one["values"] if value is not None]
        scale = every if drawing.data["together"] else known
        low, high = min(scale, default=0.0), max(scale, default=0.0)
        sparks = "".join(_spark(value, low, high) for value in one["values"])
        top = max(known, default=None)
        summary = "all missing" if top is None else f"{readable(top)} at {axis['labels'][one['values'].index(top)]}"
        grid.add_row(Text(label(one["name"])), Text(fitted(sparks, max(8, width - 40))), Text(summary, style="dim"))
    span = f"{axis['name']} {axis['labels'][0]} to {axis['labels'][-1]}" if axis["labels"] else ""
    return Group(grid, small_print([visible(span), "height is of all" if drawing.data["together"] else "each to its own largest"]))


def _spark(value: float | None, low: float, high: float) -> str:
    if value is None:
        return " "
    return "▁▂▃▄▅▆▇█"[round(7 * (value - low) / (high - low)) if high > low else 0]
