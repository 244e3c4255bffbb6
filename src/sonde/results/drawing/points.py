"""Drawings of many numbers at once: points in a plane, and the spread of samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sonde.results.drawing.base import Control, Drawing, control_of, named
from sonde.results.plain import Numbers, items, mean, nested, number

MOST_POINTS = 5000  # in one drawing
MOST_SINGLE = 40  # samples that are drawn one by one, over their density
PLACES = 48  # along a density


@dataclass(frozen=True)
class Points:
    """One named set of points in a `scatter`.

    Arguments:
        name: what the points are.
        x: one number per point, in the unit of the horizontal axis.
        y: one number per point, in the unit of the vertical axis.
        low: the lower ends of the intervals of `y`, if they have any.
        high: the upper ends of the intervals of `y`, if they have any.
        labels: what each point is, shown with its values.
        joined: draw a line from each point to the next.
    """

    name: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    labels: Sequence[object] | None = None
    joined: bool = False


def scatter(
    title: str,
    x: str,
    y: str,
    series: Sequence[Points],
    *,
    diagonal: str = "",
    control: Control | None = None,
    note: str = "",
) -> Drawing:
    """Draw named sets of points in a plane, joined in their order where they are a path.

    Arguments:
        title: the question the drawing answers.
        x: what the horizontal axis is, with its unit.
        y: what the vertical axis is, with its unit.
        series: at most eight sets; a point with a missing coordinate is not drawn, and counted.
        diagonal: what the points with equal coordinates are ("perfectly calibrated"); the line is drawn where this is given.
        control: the control for all points, in the unit of the vertical axis, drawn as a grey band.
        note: one sentence under the drawing.

    Raises:
        DrawingError: no set or more than eight, rows of different length, an interval with one end, a value that is no finite number, or
            more than `MOST_POINTS` points.

    >>> scatter("Is it calibrated?", "confidence", "accuracy", [Points("model", [0.1, 0.9], [0.2, 0.7])]).data["series"][0]["y"]
    [0.2, 0.7]
    """
    with named(title):
        if not 1 <= len(series) <= 8:
            raise ValueError(f"{len(series)} sets of points cannot be told apart; give between one and eight")
        drawn = [_points(one) for one in series]
        if (count := sum(len(one["x"]) for one in drawn)) > MOST_POINTS:
            raise ValueError(f"{count} points are too many to tell apart; draw a sample of at most {MOST_POINTS}")
        missing = sum(None in pair for one in drawn for pair in zip(one["x"], one["y"], strict=True))
        data = {"series": drawn, "diagonal": diagonal}
        return Drawing("scatter", title, y, data, {"x": {"name": x, "labels": []}}, {"missing": missing}, control_of(control), note)


def violins(
    title: str,
    unit: str,
    labels: Sequence[object],
    samples: Sequence[Numbers],
    *,
    control: Control | None = None,
    note: str = "",
) -> Drawing:
    """Draw how samples are spread: for each label their density, quartiles and extremes, and the samples themselves where they are few.

    The density is a sum of Gaussian kernels with Silverman's bandwidth (Silverman 1986, equation 3.31), cut at the extremes; each is drawn as
    wide as its own densest place.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the samples.
        labels: one label per row of samples.
        samples: for each label its numbers, as many as there are; those that are missing are counted.
        control: the control for all samples, drawn as a grey band.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a count of samples that does not fit the labels, or a value that is no finite number.

    >>> violins("How far?", "nats", ["LSTM"], [[1.0, 2.0, 6.0]]).data["violins"][0]["quartiles"]
    [1.0, 1.5, 2.0, 4.0, 6.0]
    """
    with named(title):
        names = nested("labels", labels, (None,), str)
        rows = items("samples", samples, len(names))
        drawn = [_violin(nested(f"the samples of {name!r}", row, (None,), number)) for name, row in zip(names, rows, strict=True)]
        return Drawing("violins", title, unit, {"labels": names, "violins": drawn}, control=control_of(control), note=note)


def _points(one: Points) -> dict[str, Any]:
    if (one.low is None) != (one.high is None):
        raise ValueError(f"points {one.name!r} have one end of their intervals; give both low and high, or neither")
    x = nested(f"x of {one.name!r}", one.x, (None,), number)
    rows = {"y": one.y, "low": one.low, "high": one.high}
    drawn = {name: nested(f"{name} of {one.name!r}", row, (len(x),), number) for name, row in rows.items() if row is not None}
    if one.labels is not None:
        drawn["labels"] = nested(f"labels of {one.name!r}", one.labels, (len(x),), str)
    return {"name": one.name, "x": x, **drawn, "joined": bool(one.joined)}


def _violin(samples: list[float | None]) -> dict[str, Any]:
    present = sorted(sample for sample in samples if sample is not None)
    at = _places(present)
    return {
        "n": len(present),
        "missing": len(samples) - len(present),
        "quartiles": [_quantile(present, share / 4) for share in range(5)],
        "at": at,
        "density": _density(present, at),
        "points": present if len(present) <= MOST_SINGLE else [],
    }


def _quantile(ranked: list[float], share: float) -> float | None:
    """The quantile between the two samples around it, in proportion."""
    if not ranked:
        return None
    below = (len(ranked) - 1) * share
    low, high = ranked[math.floor(below)], ranked[math.ceil(below)]
    return low if low == high else low + (high - low) * (below % 1)


def _places(ranked: list[float]) -> list[float]:
    """Evenly spaced places from the lowest sample to the highest; none where all samples are equal."""
    if not ranked or not math.isfinite(ranked[-1] - ranked[0]) or ranked[0] == ranked[-1]:
        return []
    step = (ranked[-1] - ranked[0]) / (PLACES - 1)
    return [ranked[0] + step * place for place in range(PLACES - 1)] + [ranked[-1]]


def _density(ranked: list[float], at: list[float]) -> list[float]:
    """The density at these places, as a share of its largest value."""
    if not at:
        return []
    width = ranked[-1] - ranked[0]
    centre = mean(ranked) or 0.0
    deviation = width * math.sqrt(math.fsum(((sample - centre) / width) ** 2 for sample in ranked) / (len(ranked) - 1))
    lower, upper = (_quantile(ranked, share) or 0.0 for share in (0.25, 0.75))
    bandwidth = 0.9 * min(deviation, (upper - lower) / 1.34 or deviation) * len(ranked) ** -0.2
    sums = [math.fsum(_kernel((place - sample) / bandwidth) for sample in ranked) for place in at]
    return [one / max(sums) for one in sums]


def _kernel(away: float) -> float:
    return math.exp(-0.5 * away * away)  # a product overflows to infinity, where a power raises
