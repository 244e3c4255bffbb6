"""What every drawing is: plain data of one shape, with its colours and its control."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sonde.results.errors import SondeError
from sonde.results.plain import Numbers, json_ready, nested, number

Kind = Literal[
    "tokens",
    "matrix",
    "lens",
    "bars",
    "waterfall",
    "lines",
    "rose",
    "scatter",
    "violins",
    "attention",
    "head_grid",
    "swap",
    "overlay",
    "overlays",
    "picture_grid",
    "circuit_graph",
    "circuit_pair",
    "verdicts",
    "table",
    "tabs",
    "beside",
]
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

        >>> from sonde.results.drawing import tokens
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


@contextmanager
def named(title: str) -> Iterator[None]:
    """Tell which drawing a part does not fit."""
    try:
        yield
    except ValueError as refusal:
        raise DrawingError(f"drawing {title!r}: {refusal}") from None


def legend_of(amounts: Sequence[float | None], scale: Scale, limit: float | None, zero: str) -> dict[str, Any]:
    """Give the key to the colours of these amounts: limits, what zero means, how many are missing or clipped."""
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


def series_of(series: Series, length: int) -> dict[str, Any]:
    """Give a series as plain data: its name, its values, and the ends of its intervals where it has them."""
    if (series.low is None) != (series.high is None):
        raise ValueError(f"series {series.name!r} has one end of its intervals; give both low and high, or neither")
    rows = {"values": series.values, "low": series.low, "high": series.high}
    return {"name": series.name} | {key: nested(f"series {series.name!r}", row, (length,), number) for key, row in rows.items() if row is not None}


def control_of(control: Control | None) -> dict[str, Any]:
    """Give a control as plain data; empty where there is none."""
    if control is None:
        return {}
    return {"label": control.label, "value": number(control.value), "interval": interval_of(control.interval)}


def interval_of(ends: Any) -> list[float | None] | None:
    """Give the two ends of an interval, or `None` where there is none."""
    return None if ends is None else nested("an interval", ends, (2,), number)


def flat(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Give the cells of all rows, one row after the other."""
    return [cell for row in rows for cell in row]
