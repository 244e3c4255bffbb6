"""A drawing as plain data: `{kind, title, unit, data, axes, legend, control, note}`.

Methods build drawings from their results with the constructors below, one per kind; `sonde.views` draws them in a page, a notebook or the
terminal. No drawing knows a method, and no method knows how a drawing looks. Numbers may come as nested lists, arrays or tensors; NaN and
`None` mean *missing* and are drawn as such. The published schema of `Drawing.to_json()` is `sonde/results/schemas/drawing.json`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sonde.results.errors import SondeError
from sonde.results.plain import Numbers, json_ready, mean, nested, number
from sonde.results.verdict import Verdict

Kind = Literal["tokens", "matrix", "lens", "bars", "lines", "verdicts", "table"]
Scale = Literal["diverging", "sequential"]


class DrawingError(SondeError, ValueError):
    """Values, labels or limits that do not make a drawing; the message names the drawing and the part that does not fit."""


@dataclass(frozen=True)
class Drawing:
    """One figure: one question, its unit, its uncertainty and its control."""

    kind: Kind
    title: str
    unit: str
    data: dict[str, Any]
    axes: dict[str, Any] = field(default_factory=dict)
    legend: dict[str, Any] = field(default_factory=dict)
    control: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the drawing as JSON-ready data: floats rounded to five significant digits, missing values as `None`.

        >>> tokens("Surprisal", "bits", ["The", " keys"], [1.0, 2 / 3], scale="sequential").to_json()["data"]["values"]
        [1.0, 0.66667]
        """
        return {name: json_ready(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Control:
    """What the same measure gives where nothing should be found: drawn as a grey band through the whole figure.

    Arguments:
        label: what the control is ("random heads, same number").
        value: its mean, in the unit of the drawing.
        interval: its lower and upper end, in the unit of the drawing.
    """

    label: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """One named row of numbers: a line in `lines`, or one control per bar in `bars`.

    Arguments:
        name: what the numbers are.
        values: one number per place on the horizontal axis (or per bar), in the unit of the drawing.
        low: the lower ends of their intervals, if they have any.
        high: the upper ends of their intervals, if they have any.
    """

    name: str
    values: Numbers
    low: Numbers | None = None
    high: Numbers | None = None


def tokens(
    title: str,
    unit: str,
    tokens: Sequence[str],
    values: Numbers,
    *,
    details: Sequence[str] | None = None,
    scale: Scale = "diverging",
    limit: float | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw a text whose tokens are coloured by one value each.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        tokens: the tokens as the tokenizer gives them, leading spaces included.
        values: one number per token.
        details: one line of text per token, shown with its value.
        scale: "diverging" for signed values, "sequential" for values that start at zero.
        limit: the size at which colour is full; values beyond it are clipped, marked and counted. The largest size if not given.
        zero: what a value of zero means, for the legend; "no effect" on a diverging scale if not given.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a length that does not fit the tokens, a value that is no finite number, or a limit that is not above zero.

    >>> tokens("What pushes towards ' are'?", "logits", ["The", " keys"], [0.1, -2.0]).legend["high"]
    2.0
    """
    with _named(title):
        labels = nested("tokens", tokens, (None,), str)
        amounts = nested("values", values, (len(labels),), number)
        data = {"tokens": labels, "values": amounts}
        if details is not None:
            data["details"] = nested("details", details, (len(labels),), str)
        return Drawing("tokens", title, unit, data, legend=_legend(amounts, scale, limit, zero), note=note)


def matrix(
    title: str,
    unit: str,
    values: Numbers,
    *,
    row_name: str,
    rows: Sequence[object],
    col_name: str,
    cols: Sequence[object],
    details: Sequence[Sequence[str]] | None = None,
    scale: Scale = "diverging",
    limit: float | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw a heat map with named axes; beside each row and above each column stands its mean (of sizes, on a diverging scale).

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        values: numbers with axes (row, column); row 0 is drawn on top.
        row_name: what the rows are ("layer").
        rows: one label per row.
        col_name: what the columns are ("position").
        cols: one label per column.
        details: one line of text per cell, with axes (row, column), shown with its value.
        scale, limit, zero, note: as in `tokens`.

    Raises:
        DrawingError: values or details whose shape is not (rows, columns), or as in `tokens`.

    >>> drawing = matrix("Which head?", "logits", [[1.0, -3.0]], row_name="layer", rows=[0], col_name="head", cols=[0, 1])
    >>> drawing.data["row_means"], drawing.data["col_means"]
    ([2.0], [1.0, 3.0])
    """
    with _named(title):
        row_labels, col_labels = nested("rows", rows, (None,), str), nested("cols", cols, (None,), str)
        shape = (len(row_labels), len(col_labels))
        cells = nested("values", values, shape, number)
        sized = [[abs(cell) if cell is not None and scale == "diverging" else cell for cell in row] for row in cells]
        data = {
            "values": cells,
            "row_means": [mean(row) for row in sized],
            "col_means": [mean([row[c] for row in sized]) for c in range(len(col_labels))],
            "means": "mean size" if scale == "diverging" else "mean",
        }
        if details is not None:
            data["details"] = nested("details", details, shape, str)
        axes = {"row": {"name": row_name, "labels": row_labels}, "col": {"name": col_name, "labels": col_labels}}
        return Drawing("matrix", title, unit, data, axes, _legend(_flat(cells), scale, limit, zero), note=note)


def lens(
    title: str,
    unit: str,
    *,
    tokens: Sequence[str],
    layers: Sequence[object],
    top: Sequence[Sequence[str]],
    values: Numbers,
    marks: Sequence[Sequence[bool]] | None = None,
    details: Sequence[Sequence[Sequence[tuple[str, float]]]] | None = None,
    scale: Scale = "sequential",
    limit: float | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw what each layer would say next at each position: a table of tokens, coloured by a value.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values ("probability of the token shown", "bits from the final distribution").
        tokens: the prompt's tokens: the columns.
        layers: one label per row; the last row is the model itself.
        top: the token that a layer puts first, with axes (layer, position).
        values: one number per cell, with axes (layer, position).
        marks: true where the cell's token is the model's final guess at that position, with axes (layer, position).
        details: per cell its first few (token, probability) pairs.
        scale, limit, zero, note: as in `tokens`.

    Raises:
        DrawingError: anything whose shape is not (layers, tokens), or as in `tokens`.

    >>> lens("When?", "probability", tokens=["The"], layers=["embed", "model"], top=[[" a"], [" key"]], values=[[0.1], [0.6]]).kind
    'lens'
    """
    with _named(title):
        row_labels, col_labels = nested("layers", layers, (None,), str), nested("tokens", tokens, (None,), str)
        shape = (len(row_labels), len(col_labels))
        cells = nested("values", values, shape, number)
        data = {"top": nested("top", top, shape, str), "values": cells}
        if marks is not None:
            data["marks"] = nested("marks", marks, shape, bool)
        if details is not None:
            data["details"] = nested("details", details, (*shape, None), _guess)
        axes = {"row": {"name": "layer", "labels": row_labels}, "col": {"name": "position", "labels": col_labels}}
        return Drawing("lens", title, unit, data, axes, _legend(_flat(cells), scale, limit, zero), note=note)


def bars(
    title: str,
    unit: str,
    labels: Sequence[object],
    values: Numbers,
    *,
    intervals: Sequence[tuple[float, float] | None] | None = None,
    control: Control | None = None,
    bar_control: Series | None = None,
    zero: str = "no effect",
    note: str = "",
) -> Drawing:
    """Draw signed values as bars, ranked by size.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        labels: one label per bar.
        values: one number per bar.
        intervals: the (lower, upper) end per bar, `None` where there is no interval.
        control: the control for all bars, drawn as a grey band.
        bar_control: a control of its own for each bar (the same heads under a shuffled prompt), drawn as a grey mark.
        zero: what a value of zero means.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a length that does not fit the labels, or a value that is no finite number.

    >>> bars("Which head?", "logits", ["0.1", "2.3"], [0.2, -1.5], control=Control("random heads", 0.0, (-0.1, 0.1))).data["labels"]
    ['2.3', '0.1']
    """
    with _named(title):
        names = nested("labels", labels, (None,), str)
        columns: dict[str, list[Any]] = {"labels": names, "values": nested("values", values, (len(names),), number)}
        if intervals is not None:
            columns["intervals"] = nested("intervals", intervals, (len(names),), _interval)
        if bar_control is not None:
            columns["controls"] = nested("bar_control", bar_control.values, (len(names),), number)
        amounts = columns["values"]
        ranks = sorted(range(len(names)), key=lambda i: (amounts[i] is None, -abs(amounts[i] or 0.0)))
        data = {name: [column[i] for i in ranks] for name, column in columns.items()}
        shown_control = _control(control)
        if bar_control is not None:
            shown_control["each"] = bar_control.name
        return Drawing("bars", title, unit, data, legend={"zero": zero}, control=shown_control, note=note)


def lines(
    title: str,
    unit: str,
    x_name: str,
    x: Sequence[object],
    series: Sequence[Series],
    *,
    control: Control | None = None,
    note: str = "",
) -> Drawing:
    """Draw one or several named series over a shared horizontal axis, each with its interval where it has one.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        x_name: what the horizontal axis is ("layer").
        x: its places, in order: evenly spaced labels.
        series: at most eight.
        control: the control for all series, drawn as a grey band.
        note: one sentence under the drawing.

    Raises:
        DrawingError: no series or more than eight, a length that does not fit `x`, an interval with one end, or a value that is no finite number.

    >>> lines("Where does it arise?", "bits", "layer", [0, 1], [Series("KL", [3.0, 0.5])]).data["series"][0]["values"]
    [3.0, 0.5]
    """
    with _named(title):
        places = nested("x", x, (None,), str)
        if not 1 <= len(series) <= 8:
            raise ValueError(f"{len(series)} series cannot be told apart; give between one and eight")
        data = {"series": [_line(one, len(places)) for one in series]}
        return Drawing("lines", title, unit, data, {"x": {"name": x_name, "labels": places}}, control=_control(control), note=note)


def verdicts(title: str, verdicts: Sequence[Verdict], *, command: str = "", note: str = "") -> Drawing:
    """Draw claims with their badges; each opens to its evidence and to the command that reproduces it.

    Arguments:
        title: the question the claims answer.
        verdicts: the claims, tested.
        command: the command that reproduces them.
        note: one sentence under the drawing.
    """
    return Drawing("verdicts", title, "", {"verdicts": [evidence(verdict, command) for verdict in verdicts]}, note=note)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, unit: str = "", note: str = "") -> Drawing:
    """Draw a plain table.

    Arguments:
        title: the question the table answers.
        columns: the heads of the columns; a unit belongs there.
        rows: the cells with axes (row, column): numbers or text, `None` where missing.
        unit: the unit of all numbers, where they share one.
        note: one sentence under the table.

    Raises:
        DrawingError: a row whose length does not fit the columns.

    >>> table("Next token", ["token", "probability"], [[" are", 0.81]]).data["rows"]
    [[' are', 0.81]]
    """
    with _named(title):
        heads = nested("columns", columns, (None,), str)
        return Drawing("table", title, unit, {"columns": heads, "rows": nested("rows", rows, (None, len(heads)), _cell)}, note=note)


def evidence(verdict: Verdict, command: str = "") -> dict[str, Any]:
    """Give a verdict as JSON-ready data: its fields, whether it `holds`, and the `command` that reproduces it."""
    fields = asdict(verdict) | {"holds": verdict.holds, "command": command}
    return {name: json_ready(value) for name, value in fields.items()}


@contextmanager
def _named(title: str) -> Iterator[None]:
    """Tell which drawing a part does not fit."""
    try:
        yield
    except ValueError as refusal:
        raise DrawingError(f"drawing {title!r}: {refusal}") from None


def _legend(amounts: Sequence[float | None], scale: Scale, limit: float | None, zero: str) -> dict[str, Any]:
    if scale not in ("diverging", "sequential"):
        raise ValueError(f"scale {scale!r} is unknown; it is 'diverging' or 'sequential'")
    if limit is not None and not limit > 0:
        raise ValueError(f"limit {limit!r} must be above zero")
    present = [amount for amount in amounts if amount is not None]
    high = float(limit) if limit is not None else max(map(abs, present), default=0.0)
    low = -high if scale == "diverging" else 0.0
    slack = 1e-5 * high  # a divergence of -1e-9 is a rounded zero, not a clipped value
    return {
        "scale": scale,
        "low": low,
        "high": high,
        "zero": zero or ("no effect" if scale == "diverging" else ""),
        "clipped": sum(not low - slack <= amount <= high + slack for amount in present),
        "missing": len(amounts) - len(present),
    }


def _control(control: Control | None) -> dict[str, Any]:
    if control is None:
        return {}
    return {"label": control.label, "value": number(control.value), "interval": _interval(control.interval)}


def _interval(ends: Any) -> list[float | None] | None:
    return None if ends is None else nested("an interval", ends, (2,), number)


def _guess(pair: Any) -> list[Any]:
    token, probability = pair
    return [str(token), number(probability)]


def _line(series: Series, length: int) -> dict[str, Any]:
    if (series.low is None) != (series.high is None):
        raise ValueError(f"series {series.name!r} has one end of its intervals; give both low and high, or neither")
    rows = {"values": series.values, "low": series.low, "high": series.high}
    return {"name": series.name} | {key: nested(f"series {series.name!r}", row, (length,), number) for key, row in rows.items() if row is not None}


def _cell(value: Any) -> str | float | None:
    return value if isinstance(value, str | bool | int) else number(value)


def _flat(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [cell for row in rows for cell in row]
