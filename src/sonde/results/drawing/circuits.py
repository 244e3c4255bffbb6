"""Drawings of circuits: which component feeds which, in layers from bottom to top; one circuit with its scores, or two compared.

A drawing holds at most `MOST_EDGES` edges, the first ones in their order; it counts those that it leaves out.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from sonde.results.drawing.base import Drawing, Series, legend_of, named, series_of
from sonde.results.drawing.heads import packed_patterns
from sonde.results.drawing.wiring import Edge, Node, edge_key, repeated_edge, wiring
from sonde.results.plain import Numbers, nested, number

MOST_EDGES = 2000
_FEW = 40  # edges that are shown at first where the caller does not say


@dataclass(frozen=True)
class Curve:
    """A measure at the sizes at which it was measured.

    Arguments:
        name: the measure ("faithfulness").
        sizes: numbers of edges, increasing, the first at least 1.
        values: the measure of the circuit of each size; it holds the first edges in the drawing's order.
        low: the lower ends of the intervals, if they have any.
        high: the upper ends of the intervals, if they have any.
        control: the measure of random circuits of the same sizes.
    """

    name: str
    sizes: Sequence[int]
    values: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    control: Series | None = None


def circuit_graph(
    title: str,
    unit: str,
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    *,
    rows: Sequence[object],
    order: Literal["size", "given"] = "size",
    shown: int | None = None,
    curve: Curve | None = None,
    patterns: Mapping[str, Numbers] | None = None,
    tokens: Sequence[str] | None = None,
    zero: str = "",
    note: str = "",
) -> Drawing:
    """Draw scored edges between components; the reader chooses how many of them are seen and reads the measure at that size.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the scores.
        nodes: the components, each at a place of its own.
        edges: the scored edges, each from a lower row to a higher one.
        rows: one label per row, from the bottom ("embed", "0", "1", "logits").
        order: which edges come first: those of largest score ("size"), or as they are given (the order in which a greedy search took them).
        shown: how many edges are seen at first.
        curve: a measure of the circuits that hold the first edges, read from it as the reader changes their number.
        patterns: attention weights with axes (query, key), by the name of the head's node.
        tokens: the tokens that the patterns speak of.
        zero: what a score of zero means.
        note: one sentence under the drawing.

    Raises:
        DrawingError: two nodes of one name or at one place, an edge that is there twice, that names no node or does not go upwards, more than
            `MOST_ROLES` roles, a size below 1 or out of order, patterns without tokens or the reverse, or a value that is no finite number.

    >>> nodes = [Node("embed", "embed", 0, 0), Node("blocks.0.attn.z[head=1]", "0.1", 1, 1), Node("logits", "logits", 2, 0)]
    >>> edges = [Edge("embed", "blocks.0.attn.z[head=1]", 0.1, "q"), Edge("blocks.0.attn.z[head=1]", "logits", -1.5)]
    >>> circuit_graph("Which edges?", "logits", nodes, edges, rows=["embed", 0, "logits"]).data["scores"]
    [-1.5, 0.1]
    """
    with named(title):
        if order not in ("size", "given"):
            raise ValueError(f"order {order!r} is unknown; it is 'size' or 'given'")
        scores: list[float | None] = nested("the scores of the edges", [edge.score for edge in edges], (len(edges),), number)
        ranks = list(range(len(edges)))
        if order == "size":
            ranks.sort(key=lambda i: _size(scores[i]), reverse=True)
        kept = ranks[:MOST_EDGES]
        if shown is not None and not 1 <= shown <= max(1, len(edges)):
            raise ValueError(f"shown is {shown!r}, and there are {len(edges)} edges")
        data = wiring(nodes, edges, kept, rows) | {
            "scores": [scores[i] for i in kept],
            "total": len(edges),
            "shown": min(_FEW, len(edges)) if shown is None else int(shown),
            "order": "size" if _by_size([scores[i] for i in ranks]) else "given",
        }
        if curve is not None:
            data["curve"] = _curve(curve)
        if (patterns is None) != (tokens is None):
            raise ValueError("it has patterns without tokens or tokens without patterns; give both, or neither")
        if patterns is not None and tokens is not None:
            data["attention"] = _attention(data["nodes"], patterns, tokens)
        legend = legend_of([scores[i] for i in kept], "diverging", None, zero)
        return Drawing("circuit_graph", title, unit, data, _axes(rows), legend, note=note)


def circuit_pair(
    title: str,
    unit: str,
    nodes: Sequence[Node],
    first: tuple[str, Sequence[Edge]],
    second: tuple[str, Sequence[Edge]],
    *,
    rows: Sequence[object],
    note: str = "",
) -> Drawing:
    """Draw the edges of two circuits, those that both have told from those that only one has.

    Arguments:
        title: the question the drawing answers.
        unit: the unit of the scores.
        nodes: the components of both, each at a place of its own.
        first: the name of one circuit, and its edges.
        second: the name of the other circuit, and its edges.
        rows: one label per row, from the bottom.
        note: one sentence under the drawing.

    Raises:
        DrawingError: two circuits of one name, or as in `circuit_graph`.

    >>> nodes = [Node("embed", "embed", 0, 0), Node("mlp", "MLP 0", 1, 0), Node("logits", "logits", 2, 0)]
    >>> found, known = [Edge("embed", "mlp"), Edge("mlp", "logits")], [Edge("mlp", "logits"), Edge("embed", "logits")]
    >>> circuit_pair("Alike?", "", nodes, ("found", found), ("known", known), rows=["embed", 0, "logits"]).data["counts"]
    [1, 1, 1]
    """
    with named(title):
        names = [str(first[0]), str(second[0])]
        if names[0] == names[1]:
            raise ValueError(f"both circuits are called {names[0]!r}")
        sides = [{edge_key(edge): edge for edge in edges} for _, edges in (first, second)]
        for name, side, (_, edges) in zip(names, sides, (first, second), strict=True):
            if len(side) < len(edges):
                raise ValueError(f"an edge is twice in {name!r}: {repeated_edge(edges)}")
        union = [*sides[0].values(), *(edge for key, edge in sides[1].items() if key not in sides[0])]
        # 0: the first alone, 1: both, 2: the second alone
        side_of = [1 if all(edge_key(edge) in side for side in sides) else 0 if edge_key(edge) in sides[0] else 2 for edge in union]
        kept = sorted(range(len(union)), key=lambda i: side_of[i] != 1)[:MOST_EDGES]
        scores = [nested("the scores of the edges", [_score(side, union[i]) for i in kept], (len(kept),), number) for side in sides]
        data = wiring(nodes, union, kept, rows) | {
            "names": names,
            "sides": [side_of[i] for i in kept],
            "counts": [side_of.count(side) for side in range(3)],
            "scores": scores,
        }
        return Drawing("circuit_pair", title, unit, data, _axes(rows), note=note)


def _size(score: float | None) -> float:
    """What has no score comes after all others."""
    return -1.0 if score is None else abs(score)


def _by_size(scores: Sequence[float | None]) -> bool:
    """Whether edges come by size, also where the caller has put them so: then a size tells which of them are seen."""
    return all(_size(later) <= _size(earlier) for earlier, later in pairwise(scores))


def _curve(curve: Curve) -> dict[str, Any]:
    sizes: list[int] = nested("the sizes of the curve", curve.sizes, (None,), operator.index)
    if not sizes:
        raise ValueError("the curve has no sizes")
    if sizes[0] < 1 or any(later <= earlier for earlier, later in pairwise(sizes)):
        raise ValueError(f"the sizes of the curve are {sizes}; give increasing numbers of edges from 1 (an empty circuit has no place on a log axis)")
    drawn = {"sizes": sizes} | series_of(Series(curve.name, curve.values, curve.low, curve.high), len(sizes))
    return drawn if curve.control is None else drawn | {"control": series_of(curve.control, len(sizes))}


def _attention(nodes: Mapping[str, Any], patterns: Mapping[str, Numbers], tokens: Sequence[str]) -> dict[str, Any]:
    if strange := [name for name in patterns if name not in nodes["names"]]:
        raise ValueError(f"a pattern is given for {strange[0]!r}, and no node is called so")
    heads = [name for name in nodes["names"] if name in patterns]
    sizes = dict(zip(nodes["names"], nodes.get("values", [None] * len(nodes["names"])), strict=True))
    ranks = sorted(range(len(heads)), key=lambda i: -abs(sizes[heads[i]] or 0.0))
    return packed_patterns(tokens, heads, [patterns[name] for name in heads], ranks)


def _axes(rows: Sequence[object]) -> dict[str, Any]:
    return {"row": {"name": "layer", "labels": nested("rows", rows, (None,), str)}}


def _score(side: Mapping[Any, Edge], edge: Edge) -> float | None:
    found = side.get(edge_key(edge))
    return None if found is None else found.score
