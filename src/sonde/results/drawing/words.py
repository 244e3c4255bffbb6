"""Drawings of words: claims with their badges, and plain tables."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sonde.results.drawing.base import Drawing, named
from sonde.results.plain import json_ready, nested, number
from sonde.results.verdict import Verdict


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
    with named(title):
        heads = nested("columns", columns, (None,), str)
        return Drawing("table", title, unit, {"columns": heads, "rows": nested("rows", rows, (None, len(heads)), _cell)}, note=note)


def evidence(verdict: Verdict, command: str = "") -> dict[str, Any]:
    """Give a verdict as JSON-ready data: its fields, whether it `holds`, and the `command` that reproduces it."""
    fields = asdict(verdict) | {"holds": verdict.holds, "command": command}
    return {name: json_ready(value) for name, value in fields.items()}


def _cell(value: Any) -> str | float | None:
    return value if isinstance(value, str | bool | int) else number(value)
