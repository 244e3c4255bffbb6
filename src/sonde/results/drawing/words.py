"""Drawings of words: claims with their badges, and plain tables."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from sonde.results.drawing.base import Drawing, interval_of, named
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


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    intervals: Sequence[Sequence[tuple[float, float] | None]] | None = None,
    best: Literal["highest", "lowest"] | None = None,
    unranked: Sequence[int] = (),
    unit: str = "",
    note: str = "",
) -> Drawing:
    """Draw a table; on a page its rows can be sorted by each of its columns.

    Arguments:
        title: the question the table answers.
        columns: the heads of the columns; a unit belongs there.
        rows: the cells with axes (row, column): numbers or text, `None` where missing.
        intervals: the (lower, upper) ends with axes (row, column), `None` where a cell has none.
        best: mark the highest or the lowest number of each column.
        unranked: the rows that are shown for comparison alone and are never the best: other people's figures.
        unit: the unit of all numbers, where they share one.
        note: one sentence under the table.

    Raises:
        DrawingError: a row whose length does not fit the columns, an unknown `best`, or an unranked row that is not there.

    >>> table("Next token", ["token", "probability"], [[" are", 0.81]]).data["rows"]
    [[' are', 0.81]]
    """
    with named(title):
        heads = nested("columns", columns, (None,), str)
        cells = nested("rows", rows, (None, len(heads)), _cell)
        data: dict[str, Any] = {"columns": heads, "rows": cells}
        if intervals is not None:
            data["intervals"] = nested("intervals", intervals, (len(cells), len(heads)), interval_of)
        if best not in ("highest", "lowest", None):
            raise ValueError(f"best {best!r} is unknown; it is 'highest' or 'lowest'")
        if beyond := [row for row in unranked if row not in range(len(cells))]:
            raise ValueError(f"unranked holds row {beyond[0]!r}, and there are {len(cells)} rows")
        if best:
            ranked = [row for place, row in enumerate(cells) if place not in unranked]
            tops = [_top([row[col] for row in ranked], max if best == "highest" else min) for col in range(len(heads))]
            data["best"] = [
                [top is not None and row[col] == top and place not in unranked for col, top in enumerate(tops)] for place, row in enumerate(cells)
            ]
        return Drawing("table", title, unit, data, note=note)


def evidence(verdict: Verdict, command: str = "") -> dict[str, Any]:
    """Give a verdict as JSON-ready data: its fields, whether it `holds`, and the `command` that reproduces it."""
    fields = asdict(verdict) | {"holds": verdict.holds, "command": command}
    return {name: json_ready(value) for name, value in fields.items()}


def _cell(value: Any) -> str | float | None:
    return value if isinstance(value, str | bool | int) else number(value)


def _top(column: list[Any], choose: Callable[[list[float]], float]) -> float | None:
    """The best number of a column; none where it holds words, or fewer than two numbers to choose from."""
    numbers = [cell for cell in column if isinstance(cell, int | float) and not isinstance(cell, bool)]
    others = [cell for cell in column if cell is not None and cell not in numbers]
    return choose(numbers) if len(numbers) > 1 and not others else None
