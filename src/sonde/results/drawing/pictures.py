"""Drawings of pictures: with a heat map over them, one of them large or a grid of small ones; or by themselves in a grid, maps between them."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from sonde.results.drawing.base import Control, Drawing, Scale, control_of, legend_of, named
from sonde.results.drawing.packing import amounts_of, grid_of, packed_map, packed_picture
from sonde.results.plain import Numbers, items, nested, number

MOST_PIXELS = 2**17
MOST_VALUES = 2**19  # in one drawing
MOST_TOGETHER = 2**19  # pixels of all pictures of a grid
BESIDE = re.compile(r"[\w-][\w.-]*\.html", re.ASCII)
"""A page in the same folder, as the drawings' schema and script have it."""


def overlay(
    title: str,
    unit: str,
    picture: Numbers,
    values: Numbers,
    *,
    smooth: bool = False,
    scale: Scale = "diverging",
    limit: float | None = None,
    zero: str = "",
    control: Control | None = None,
    note: str = "",
) -> Drawing:
    """Draw a heat map over the picture it speaks of.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        picture: pixels with axes (channel, row, col), one channel or three, from 0 to 1; any other range is rescaled, and the drawing says so.
        values: numbers with axes (row, col), spread over the whole picture; they may be coarser than its pixels.
        smooth: blend the colours of neighbouring values instead of drawing each as a rectangle.
        scale: "diverging" for signed values, "sequential" for values that start at zero.
        limit: the size at which colour is full; values beyond it are clipped, marked and counted. The largest size if not given.
        zero: what a value of zero means, for the legend; "no effect" on a diverging scale if not given.
        control: what the size of a value is where nothing should be found.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a picture that has not one or three channels or that has a missing pixel, values that are no grid, a value that is no
            finite number, or a limit that is not above zero.

    >>> drawing = overlay("Which pixels?", "logits", [[[0.0, 1.0], [0.5, 0.5]]], [[0.25, -1.0]])
    >>> drawing.data["map"]["rows"], drawing.data["map"]["cols"], drawing.legend["high"]
    (1, 2, 1.0)
    """
    with named(title):
        cells = grid_of("values", values)
        data = {
            "picture": packed_picture("picture", picture, MOST_PIXELS),
            "map": packed_map(cells, MOST_VALUES),
            "smooth": bool(smooth),
        }
        return Drawing("overlay", title, unit, data, legend=legend_of(amounts_of(cells), scale, limit, zero), control=control_of(control), note=note)


def overlays(
    title: str,
    unit: str,
    picture: Numbers,
    values: Sequence[Sequence[Numbers | None]],
    *,
    row_name: str,
    rows: Sequence[object],
    col_name: str,
    cols: Sequence[object],
    details: Sequence[Sequence[str]] | None = None,
    colours: Literal["alike", "own"] = "alike",
    smooth: bool = False,
    scale: Scale = "diverging",
    limit: float | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw many heat maps over a picture, small, in a grid with named rows and columns; one of them is open beside the grid.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        picture: pixels with axes (channel, row, col) as in `overlay`: one picture for all maps, or with a first axis one for each row.
        values: for each cell of the grid, with axes (row, column), a map with axes (row, col) of the picture, or `None` where there is none.
        row_name: what the rows of the grid are ("method").
        rows: one label per row.
        col_name: what the columns are ("layers made random, from the top").
        cols: one label per column.
        details: one short line per cell of the grid, written under it.
        colours: "alike" if all maps have one scale, "own" if the colours of each reach to its own largest size (maps whose sizes cannot be
            compared); the legend says which.
        smooth, scale, zero, note: as in `overlay`.
        limit: as in `overlay`; only with one scale for all.

    Raises:
        DrawingError: a shape that does not fit the labels, a limit where each map has its own, or as in `overlay`.

    >>> grid = overlays("Does it see the model?", "logits", [[[0.5]]], [[[[1.0]], None]], row_name="method", rows=["gradient"],
    ...     col_name="layers made random", cols=[0, 1])
    >>> grid.data["maps"][0][1] is None
    True
    """
    with named(title):
        if colours not in ("alike", "own"):
            raise ValueError(f"colours {colours!r} is unknown; it is 'alike' or 'own'")
        if colours == "own" and limit is not None:
            raise ValueError(f"limit {limit!r} is for colours that are alike; leave it out, or ask for colours='alike'")
        row_labels, col_labels = nested("rows", rows, (None,), str), nested("cols", cols, (None,), str)
        shape = (len(row_labels), len(col_labels))
        grid = [items("values", line, len(col_labels)) for line in items("values", values, len(row_labels))]
        maps = [[None if one is None else grid_of(f"a map of {label!r}", one) for one in line] for label, line in zip(row_labels, grid, strict=True)]
        drawn = [one for line in maps for one in line if one is not None]
        amounts = [amount for one in drawn for amount in amounts_of(one)]
        share = max(1, MOST_VALUES // max(1, len(drawn)))
        data: dict[str, Any] = {
            "pictures": _pictures(picture, len(row_labels)),
            "maps": [[None if one is None else packed_map(one, share) for one in line] for line in maps],
            "smooth": bool(smooth),
            "own": colours == "own",
        }
        if details is not None:
            data["details"] = nested("details", details, shape, str)
        axes = {"row": {"name": row_name, "labels": row_labels}, "col": {"name": col_name, "labels": col_labels}}
        return Drawing("overlays", title, unit, data, axes, legend_of(amounts, scale, limit, zero), note=note)


def picture_grid(
    title: str,
    unit: str,
    pictures: Sequence[Sequence[Numbers | None]],
    *,
    row_name: str,
    rows: Sequence[object],
    col_name: str,
    cols: Sequence[object],
    values: Sequence[Sequence[float | None]] | None = None,
    details: Sequence[Sequence[str]] | None = None,
    maps: Sequence[Sequence[Numbers | None]] | None = None,
    map_unit: str = "",
    limit: float | None = None,
    zero: str = "",
    links: Sequence[Sequence[str | None]] | None = None,
    opened: tuple[int, int] | None = None,
    note: str = "",
) -> Drawing:
    """Draw pictures in a grid with named rows and columns, and signed maps between them; one of them is open beside the grid.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values; empty where there are none.
        pictures: for each cell of the grid, with axes (row, column), pixels with axes (channel, row, col) as in `overlay`, or `None` where there
            is none.
        row_name: what the rows of the grid are ("unit").
        rows: one label per row.
        col_name: what the columns are ("start").
        cols: one label per column.
        values: a number for each cell, written under its picture, or `None`.
        details: one short line per cell, written under it.
        maps: for each cell signed values with axes (row, col), drawn in colours on one scale for all, where the cell has no picture; or `None`.
        map_unit: the unit of the maps' values.
        limit, zero: of the maps, as in `overlay`.
        links: for each cell the file of a page that tells more and lies beside the one with this drawing, such as "unit-3.html", or `None`.
        opened: row and column of what is open at first; the first cell that holds anything if not given.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a shape that does not fit the labels, what is no picture or no map, or a cell that holds both.

    >>> grid = picture_grid("What does it look for?", "activation", [[[[[0.5]]], None]], row_name="unit", rows=["3"], col_name="optimum",
    ...     cols=["most", "least"], values=[[2.5, None]])
    >>> grid.data["pictures"][0][1] is None
    True
    """
    with named(title):
        row_labels, col_labels = nested("rows", rows, (None,), str), nested("cols", cols, (None,), str)
        shape = (len(row_labels), len(col_labels))
        lines = [items("pictures", line, shape[1]) for line in items("pictures", pictures, shape[0])]
        share = max(1, min(MOST_PIXELS, MOST_TOGETHER // max(1, sum(one is not None for line in lines for one in line))))
        data: dict[str, Any] = {
            "pictures": [
                [None if one is None else packed_picture(f"a picture of {label!r}", one, share) for one in line]
                for label, line in zip(row_labels, lines, strict=True)
            ]
        }
        legend: dict[str, Any] = {}
        held = [[one is not None for one in line] for line in lines]
        if maps is not None:
            rows_of = [items("maps", line, shape[1]) for line in items("maps", maps, shape[0])]
            cells = [
                [None if one is None else grid_of(f"a map of {label!r}", one) for one in line]
                for label, line in zip(row_labels, rows_of, strict=True)
            ]
            for line, own in zip(held, cells, strict=True):
                for col, one in enumerate(own):
                    if one is not None and line[col]:
                        raise ValueError(f"the cell {col_labels[col]!r} of a row has a picture and a map; give one of both")
                    line[col] = line[col] or one is not None
            drawn = [one for line in cells for one in line if one is not None]
            most = max(1, MOST_VALUES // max(1, len(drawn)))
            data |= {"maps": [[None if one is None else packed_map(one, most) for one in line] for line in cells], "map_unit": map_unit}
            legend = legend_of([amount for one in drawn for amount in amounts_of(one)], "diverging", limit, zero)
        if opened is not None:
            row, col = opened
            if not (0 <= row < shape[0] and 0 <= col < shape[1]) or not held[row][col]:
                raise ValueError(f"opened {opened} is no picture of the grid, which has {shape[0]} rows and {shape[1]} columns")
            data["opened"] = [row, col]
        if values is not None:
            data["values"] = nested("values", values, shape, number)
        if details is not None:
            data["details"] = nested("details", details, shape, str)
        if links is not None:
            data["links"] = nested("links", links, shape, _link)
        axes = {"row": {"name": row_name, "labels": row_labels}, "col": {"name": col_name, "labels": col_labels}}
        return Drawing("picture_grid", title, unit, data, axes, legend, note=note)


def _link(file: Any) -> str | None:
    """A page that lies beside the one with the drawing: a link elsewhere would make a page depend on what it does not hold."""
    if file is None:
        return None
    if not isinstance(file, str) or not BESIDE.fullmatch(file):
        raise ValueError(f"{file!r} is no page beside this one: give a file such as 'unit-3.html'")
    return file


def _pictures(picture: Numbers, rows: int) -> list[dict[str, Any]]:
    """One packed picture for all rows, or one for each of them."""
    if hasattr(picture, "tolist"):
        picture = picture.tolist()
    axes, inner = 0, picture
    while isinstance(inner, Sequence) and len(inner):
        axes, inner = axes + 1, inner[0] if not hasattr(inner[0], "tolist") else inner[0].tolist()
    if axes != 4:
        return [packed_picture("picture", picture, MOST_PIXELS)]
    share = max(1, MOST_PIXELS // max(1, rows))
    return [packed_picture("picture", one, share) for one in items("picture", picture, rows)]
