"""Drawings of coloured cells: a strip of tokens, a heat map, a lens."""

from collections.abc import Mapping, Sequence
from typing import Any

from sonde.results.drawing.base import Drawing, Scale, flat, legend_of, named
from sonde.results.plain import Numbers, mean, nested, number


def tokens(
    title: str,
    unit: str,
    tokens: Sequence[str],
    values: Numbers | None,
    *,
    details: Sequence[str] | None = None,
    roles: Mapping[str, Sequence[int]] | None = None,
    scale: Scale = "diverging",
    limit: float | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw a text whose tokens are coloured by one value each, or marked with the roles they play, or both.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        tokens: the tokens as the tokenizer gives them, leading spaces included.
        values: one number per token; `None` draws the text without colours.
        details: one line of text per token, shown with its value.
        roles: at most eight named spans: a name to the positions that it holds, none of them twice.
        scale: "diverging" for signed values, "sequential" for values that start at zero.
        limit: the size at which colour is full; values beyond it are clipped, marked and counted. The largest size if not given.
        zero: what a value of zero means, for the legend; "no effect" on a diverging scale if not given.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a length that does not fit the tokens, a value that is no finite number, a limit that is not above zero, more than
            eight roles, a role beyond the tokens, or two for one token.

    >>> tokens("What pushes towards ' are'?", "logits", ["The", " keys"], [0.1, -2.0]).legend["high"]
    2.0
    >>> tokens("What is the task?", "", ["The", " keys"], None, roles={"subject": [1]}).data["roles"]
    {'names': ['subject'], 'of': [None, 0]}
    """
    with named(title):
        labels = nested("tokens", tokens, (None,), str)
        data: dict[str, Any] = {"tokens": labels}
        if details is not None:
            data["details"] = nested("details", details, (len(labels),), str)
        if roles is not None:
            data["roles"] = _roles(roles, labels)
        if values is None:
            return Drawing("tokens", title, unit, data, note=note)
        amounts = nested("values", values, (len(labels),), number)
        data["values"] = amounts
        return Drawing("tokens", title, unit, data, legend=legend_of(amounts, scale, limit, zero), note=note)


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
    with named(title):
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
        return Drawing("matrix", title, unit, data, axes, legend_of(flat(cells), scale, limit, zero), note=note)


def lens(
    title: str,
    unit: str,
    *,
    tokens: Sequence[str],
    layers: Sequence[object],
    top: Sequence[Sequence[str]],
    values: Numbers,
    marks: Sequence[Sequence[bool]] | None = None,
    true: Sequence[Sequence[bool]] | None = None,
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
        true: true where the cell's token is the one that comes next in the text, likewise.
        details: per cell its first few (token, probability) pairs.
        scale, limit, zero, note: as in `tokens`.

    Raises:
        DrawingError: anything whose shape is not (layers, tokens), or as in `tokens`.

    >>> lens("When?", "probability", tokens=["The"], layers=["embed", "model"], top=[[" a"], [" key"]], values=[[0.1], [0.6]]).kind
    'lens'
    """
    with named(title):
        row_labels, col_labels = nested("layers", layers, (None,), str), nested("tokens", tokens, (None,), str)
        shape = (len(row_labels), len(col_labels))
        cells = nested("values", values, shape, number)
        data = {"top": nested("top", top, shape, str), "values": cells}
        if marks is not None:
            data["marks"] = nested("marks", marks, shape, bool)
        if true is not None:
            data["true"] = nested("true", true, shape, bool)
        if details is not None:
            data["details"] = nested("details", details, (*shape, None), _guess)
        axes = {"row": {"name": "layer", "labels": row_labels}, "col": {"name": "position", "labels": col_labels}}
        return Drawing("lens", title, unit, data, axes, legend_of(flat(cells), scale, limit, zero), note=note)


def _roles(roles: Mapping[str, Sequence[int]], tokens: list[str]) -> dict[str, Any]:
    if len(roles) > 8:
        raise ValueError(f"{len(roles)} roles cannot be told apart; give at most eight")
    names = nested("roles", list(roles), (None,), str)
    of: list[int | None] = [None] * len(tokens)
    for role, places in enumerate(roles.values()):
        for place in nested(f"role {names[role]!r}", places, (None,), int):
            if not 0 <= place < len(tokens):
                raise ValueError(f"role {names[role]!r} holds position {place}, and there are {len(tokens)} tokens")
            held = of[place]
            if held is not None and held != role:
                raise ValueError(f"position {place} ({tokens[place]!r}) has two roles, {names[held]!r} and {names[role]!r}; give it one")
            of[place] = role
    return {"names": names, "of": of}


def _guess(pair: Any) -> list[Any]:
    token, probability = pair
    return [str(token), number(probability)]
