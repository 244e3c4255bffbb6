"""Drawings of attention heads: their patterns, and one value for each of them.

Patterns are stored as bytes: a weight is kept as the nearest multiple of 1/255, so that it is off by less than 0.002. Where no drawn head
looks ahead, only the keys up to each query are stored. One drawing holds at most `MOST_WEIGHTS` weights; the heads beyond them are left out
and counted.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sonde.results.drawing.base import Drawing, Scale, legend_of, named
from sonde.results.drawing.cells import matrix
from sonde.results.plain import Numbers, items, nested, repeated

MOST_WEIGHTS = 2**20
_STEPS = 255
_SLACK = 0.004  # a softmax in half precision may end a little above one


def attention(
    title: str,
    tokens: Sequence[str],
    patterns: Numbers,
    names: Sequence[object],
    *,
    details: Sequence[str] | None = None,
    chosen: int = 0,
    note: str = "",
) -> Drawing:
    """Draw where attention heads look: all of them small, one of them token by token.

    Arguments:
        title: the question the drawing answers.
        tokens: the tokens as the tokenizer gives them, leading spaces included.
        patterns: attention weights between 0 and 1, with axes (head, query, key).
        names: one name per head; heads are grouped by what stands before the last point: "2.1" is head 1 of layer 2.
        details: one line of text per head: what it was measured to do.
        chosen: the index of the head that is open at first.
        note: one sentence under the drawing.

    Raises:
        DrawingError: a shape that does not fit names and tokens, a weight outside 0 to 1 or missing, a name twice, a `chosen` that is no head,
            or so many tokens that one head is more than `MOST_WEIGHTS`.

    >>> drawing = attention("Where?", ["The", " keys"], [[[1, 0], [0.25, 0.75]]], ["2.1"])
    >>> unpacked(drawing.data)
    [[[1.0, 0.0], [0.251, 0.749]]]
    """
    with named(title):
        heads = nested("names", names, (None,), str)
        if chosen not in range(len(heads)):
            raise ValueError(f"chosen {chosen!r} is no index of its {len(heads)} heads")
        by_head = items("patterns", patterns, len(heads))
        data = packed_patterns(tokens, heads, by_head, [chosen, *range(len(heads))])
        if details is not None:
            words = dict(zip(heads, nested("details", details, (len(heads),), str), strict=True))
            data["details"] = [words[head] for head in data["heads"]]
        data["chosen"] = data["heads"].index(heads[chosen])
        return Drawing("attention", title, "attention weight", data, legend=legend_of([], "sequential", 1.0, "not looked at"), note=note)


def head_grid(
    title: str,
    unit: str,
    values: Numbers,
    *,
    details: Sequence[Sequence[str]] | None = None,
    patterns: Any = None,
    tokens: Sequence[str] | None = None,
    scale: Scale = "diverging",
    limit: float | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw one value per attention head as a square; a click opens the pattern of the head beside it.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the values.
        values: numbers with axes (layer, head).
        details: one line of text per head, with axes (layer, head).
        patterns: attention weights with axes (layer, head, query, key); `None` in place of a head that has none.
        tokens: the tokens that the patterns speak of.
        scale: "diverging" for signed values, "sequential" for values that start at zero.
        limit: the size at which colour is full, as in `tokens`.
        zero: what a value of zero means.
        note: one sentence under the drawing.

    Raises:
        DrawingError: patterns without tokens or the reverse, or as in `matrix` and `attention`.

    >>> head_grid("Which head?", "logits", [[0.5, -2.0]]).axes["row"]
    {'name': 'layer', 'labels': ['0']}
    """
    with named(title):
        if (patterns is None) != (tokens is None):
            raise ValueError("it has patterns without tokens or tokens without patterns; give both, or neither")
        rows = items("values", values)
        layers, width = range(len(rows)), len(items("values", rows[0])) if rows else 0
    labels, columns = [str(layer) for layer in layers], [str(head) for head in range(width)]
    grid = matrix(
        title, unit, rows, row_name="layer", rows=labels, col_name="head", cols=columns,
        details=details, scale=scale, limit=limit, zero=zero, note=note,
    )  # fmt: skip
    data = dict(grid.data)
    if patterns is not None and tokens is not None:
        with named(title):
            cells = [items("patterns", line, width) for line in items("patterns", patterns, len(layers))]
            found = {f"{layer}.{head}": pattern for layer, line in enumerate(cells) for head, pattern in enumerate(line) if pattern is not None}
            sizes = {f"{layer}.{head}": abs(value or 0.0) for layer, line in enumerate(data["values"]) for head, value in enumerate(line)}
            ranks = sorted(range(len(found)), key=lambda i: -sizes[list(found)[i]])
            data["attention"] = packed_patterns(tokens, list(found), list(found.values()), ranks)
    return Drawing("head_grid", title, unit, data, grid.axes, grid.legend, note=note)


def unpacked(data: dict[str, Any]) -> list[list[list[float]]]:
    """Give back the patterns of an attention drawing's data, with axes (head, query, key), each weight to three decimals."""
    size, stored = len(data["tokens"]), iter(base64.b64decode(data["weights"]))
    ends = [query + 1 if data["causal"] else size for query in range(size)]
    return [[_weights(stored, end, size) for end in ends] for _ in data["heads"]]


def _weights(stored: Iterator[int], end: int, size: int) -> list[float]:
    return [round(next(stored) / _STEPS, 3) for _ in range(end)] + [0.0] * (size - end)


def packed_patterns(tokens: Sequence[str], heads: list[str], patterns: list[Any], ranks: Iterable[int]) -> dict[str, Any]:
    """Pack the heads that fit, first come first served in the order of `ranks`, and keep those in their own order."""
    if twice := repeated(heads):
        raise ValueError(f"two heads are called {twice[0]!r}")
    texts = nested("tokens", tokens, (None,), str)
    size = len(texts)
    most = MOST_WEIGHTS // max(1, size * size)
    if not most:
        raise ValueError(f"{size} tokens are too many to draw the attention between them; draw a window of at most {int(MOST_WEIGHTS**0.5)}")
    kept = sorted(list(dict.fromkeys(ranks))[:most])
    bytes_hqk = [nested(f"the pattern of head {heads[i]}", patterns[i], (size, size), _byte) for i in kept]
    causal = not any(any(row[query + 1 :]) for pattern in bytes_hqk for query, row in enumerate(pattern))
    rows = (row[: query + 1] if causal else row for pattern in bytes_hqk for query, row in enumerate(pattern))
    return {
        "tokens": texts,
        "heads": [heads[i] for i in kept],
        "weights": base64.b64encode(bytes(chain.from_iterable(rows))).decode("ascii"),
        "causal": causal,
        "left_out": len(heads) - len(kept),
    }


def _byte(weight: Any) -> int:
    amount = float(weight)
    if not -_SLACK <= amount <= 1 + _SLACK:  # NaN too
        raise ValueError("an attention weight lies between 0 and 1")
    return round(_STEPS * min(1.0, max(0.0, amount)))
