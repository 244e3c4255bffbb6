"""Several drawings under one title: behind tabs, or beside each other.

Parts that are compared must be coloured alike: those of the same unit and the same kind of scale get the widest of their limits.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sonde.results.drawing.base import Drawing, Kind, named
from sonde.results.plain import nested, repeated


def tabs(title: str, drawings: Sequence[tuple[str, Drawing]], *, note: str = "") -> Drawing:
    """Draw one of several drawings at a time, chosen by its tab; on paper and in the terminal one follows the other.

    Arguments:
        title: the question that all of them answer.
        drawings: (label, drawing) pairs; the first is open.
        note: one sentence under the drawing.

    Raises:
        DrawingError: no drawing, or two with one label.
    """
    return _group("tabs", title, drawings, note)


def beside(title: str, drawings: Sequence[tuple[str, Drawing]], *, note: str = "") -> Drawing:
    """Draw drawings side by side, or one above the other where the page is narrow.

    Arguments:
        title: the question that all of them answer.
        drawings: (label, drawing) pairs, from left to right.
        note: one sentence under the drawing.

    Raises:
        DrawingError: no drawing, or two with one label.

    >>> from sonde.results.drawing import tokens
    >>> pair = beside("Which words?", [("a", tokens("A", "logits", ["x"], [1.0])), ("b", tokens("B", "logits", ["x"], [-3.0]))])
    >>> [part["drawing"]["legend"]["high"] for part in pair.to_json()["data"]["parts"]]
    [3.0, 3.0]
    """
    return _group("beside", title, drawings, note)


def _group(kind: Kind, title: str, drawings: Sequence[tuple[str, Drawing]], note: str) -> Drawing:
    with named(title):
        labels = nested("labels", [label for label, _ in drawings], (None,), str)
        if not labels:
            raise ValueError("it holds no drawing; give at least one (label, drawing) pair")
        if twice := repeated(labels):
            raise ValueError(f"two of its drawings have the label {twice[0]!r}")
    shown = coloured_alike([drawing for _, drawing in drawings])
    parts: list[dict[str, Any]] = [{"label": label, "drawing": vars(drawing)} for label, drawing in zip(labels, shown, strict=True)]
    return Drawing(kind, title, "", {"parts": parts}, note=note)


def coloured_alike(drawings: Sequence[Drawing]) -> list[Drawing]:
    """Give drawings of one unit and one kind of scale the widest of their limits; where values were clipped, the limits were chosen and stay."""

    def peers(drawing: Drawing) -> list[Drawing]:
        return [one for one in drawings if (one.unit, one.legend.get("scale")) == (drawing.unit, drawing.legend.get("scale"))]

    def widened(drawing: Drawing) -> Drawing:
        if not drawing.legend.get("scale") or any(one.legend["clipped"] for one in peers(drawing)):
            return drawing
        ends = {"low": min(one.legend["low"] for one in peers(drawing)), "high": max(one.legend["high"] for one in peers(drawing))}
        return replace(drawing, legend=drawing.legend | ends)

    return [widened(drawing) for drawing in drawings]
