"""Drawings of amounts along an axis: ranked bars, a waterfall to a total, lines."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from sonde.results.drawing.base import Control, Drawing, Series, control_of, interval_of, named, series_of
from sonde.results.plain import Numbers, nested, number

MOST_TOGETHER, MOST_APART = 8, 24  # series of a rose


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
    with named(title):
        names = nested("labels", labels, (None,), str)
        columns: dict[str, list[Any]] = {"labels": names, "values": nested("values", values, (len(names),), number)}
        if intervals is not None:
            columns["intervals"] = nested("intervals", intervals, (len(names),), interval_of)
        if bar_control is not None:
            columns["controls"] = nested("bar_control", bar_control.values, (len(names),), number)
        amounts = columns["values"]
        ranks = sorted(range(len(names)), key=lambda i: (amounts[i] is None, -abs(amounts[i] or 0.0)))
        data = {name: [column[i] for i in ranks] for name, column in columns.items()}
        shown_control = control_of(control)
        if bar_control is not None:
            shown_control["each"] = bar_control.name
        return Drawing("bars", title, unit, data, legend={"zero": zero}, control=shown_control, note=note)


def waterfall(
    title: str,
    unit: str,
    labels: Sequence[object],
    values: Numbers,
    *,
    intervals: Sequence[tuple[float, float] | None] | None = None,
    total: float | Literal["sum"] = "sum",
    control: Control | None = None,
    bar_control: Series | None = None,
    zero: str = "no effect",
    note: str = "",
) -> Drawing:
    """Draw contributions from zero to their total, ranked by size, each bar beginning where the one before it ended.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        labels: one label per contribution.
        values: one number per contribution.
        intervals: the (lower, upper) end per contribution, `None` where there is no interval.
        total: the measured total; what the contributions leave of it is drawn as the remainder. "sum" if they are all of it.
        control: what one contribution is where nothing should be found, drawn as a grey band under each bar.
        bar_control: a control of its own for each contribution, drawn as a grey mark.
        zero: what a total of zero means.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a length that does not fit the labels, or a value or total that is missing or no finite number.

    >>> waterfall("What adds up?", "logits", ["head 2.1", "MLP 0"], [0.5, -2.0], total=-1.25).data["remainder"]
    0.25
    """
    ranked = bars(title, unit, labels, values, intervals=intervals, control=control, bar_control=bar_control, zero=zero, note=note)
    with named(title):
        amounts = ranked.data["values"]
        if None in amounts:
            raise ValueError(f"the value of {ranked.data['labels'][amounts.index(None)]!r} is missing, and what is missing cannot be added up")
        whole = number(sum(amounts) if total == "sum" else total)
        if whole is None:
            raise ValueError('the total is missing; give a number, or "sum"')
        remainder = None if total == "sum" else number(whole - sum(amounts))
    return replace(ranked, kind="waterfall", data=ranked.data | {"total": whole, "remainder": remainder})


def lines(
    title: str,
    unit: str,
    x_name: str,
    x: Sequence[object],
    series: Sequence[Series],
    *,
    spacing: Literal["even", "linear", "log"] = "even",
    control: Control | Series | None = None,
    note: str = "",
) -> Drawing:
    """Draw one or several named series over a shared horizontal axis, each with its interval where it has one.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        x_name: what the horizontal axis is ("layer").
        x: its places, in order: labels, or numbers.
        series: at most eight.
        spacing: how the places are spaced: evenly, as numbers, or as numbers on a log axis (a measure over the number of edges).
        control: the control for all series, drawn as a grey band: the same everywhere, or a series of its own (the random order of a
            deletion curve).
        note: one sentence under the drawing.

    Raises:
        DrawingError: no series or more than eight, a length that does not fit `x`, an interval with one end, a value that is no finite number,
            or places that have no place in this spacing.

    >>> lines("Where does it arise?", "bits", "layer", [0, 1], [Series("KL", [3.0, 0.5])]).data["series"][0]["values"]
    [3.0, 0.5]
    """
    with named(title):
        places = nested("x", x, (None,), str)
        if not 1 <= len(series) <= 8:
            raise ValueError(f"{len(series)} series cannot be told apart; give between one and eight")
        drawn = series_of(control, len(places)) if isinstance(control, Series) else control_of(control)
        data = {"series": [series_of(one, len(places)) for one in series]}
        axis: dict[str, Any] = {"name": x_name, "labels": places}
        if spacing != "even":
            axis["at"] = _spaced(x, spacing)
        return Drawing("lines", title, unit, data, {"x": axis}, control=drawn, note=note)


def rose(
    title: str,
    unit: str,
    x_name: str,
    x: Sequence[float],
    series: Sequence[Series],
    *,
    period: float = 360.0,
    together: bool = False,
    note: str = "",
) -> Drawing:
    """Draw named series over what goes round as curves around a middle, from the right against the clock.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        x_name: what goes round ("angle in degrees").
        x: its places, within one period, in rising order.
        series: a small rose for each, at most 24; or, together, at most eight.
        period: after which it comes round, in degrees: 360, or a whole part of it (180 for orientations, which are drawn twice).
        together: all series in one rose, with one scale, instead of a small one for each, with its own.
        note: one sentence under the drawing.

    Raises:
        DrawingError: no series or too many, a length that does not fit `x`, places that do not rise within a period, a period that is no whole part
            of a turn, an interval with one end, or a value that is no finite number.

    >>> rose("Which way?", "activation", "angle", [0, 90], [Series("unit 3", [1.0, 0.5])], period=180).data["repeats"]
    2
    """
    with named(title):
        places = nested("x", x, (None,), float)
        most = MOST_TOGETHER if together else MOST_APART
        if not 1 <= len(series) <= most:
            raise ValueError(f"{len(series)} series are {'more than can be told apart' if series else 'none'}; give between one and {most}")
        repeats = round(360 / period) if period > 0 else 0
        if repeats < 1 or abs(repeats * period - 360) > 1e-6:
            raise ValueError(f"period {period:g} is no whole part of 360 degrees")
        if not all(later > earlier for earlier, later in pairwise(places)) or (places and places[-1] - places[0] >= period):
            raise ValueError(f"x runs from {places[0]:g} to {places[-1]:g}; give rising places within one period of {period:g}")
        data = {"series": [series_of(one, len(places)) for one in series], "repeats": repeats, "together": bool(together)}
        axis = {"name": x_name, "labels": [f"{place:g}" for place in places], "at": [place % period / 360 for place in places]}
        return Drawing("rose", title, unit, data, {"x": axis}, note=note)


def _spaced(x: Sequence[object], spacing: str) -> list[float]:
    """How far along the axis each place is, from 0 for the first to 1 for the last."""
    if spacing not in ("linear", "log"):
        raise ValueError(f"spacing {spacing!r} is unknown; it is 'even', 'linear' or 'log'")
    amounts: list[float] = nested("x", x, (None,), float)
    if spacing == "log":
        if lost := [amount for amount in amounts if not amount > 0]:
            raise ValueError(f"x holds {lost[0]:g}, which has no place on a log axis; give numbers above zero")
        amounts = [math.log(amount) for amount in amounts]
    if not all(later > earlier for earlier, later in pairwise(amounts)) or not all(map(math.isfinite, amounts)):
        raise ValueError(f"x is {list(x)}; give increasing numbers, or space them evenly")
    return [(amount - amounts[0]) / ((amounts[-1] - amounts[0]) or 1.0) for amount in amounts]
