"""The nodes and edges of a drawn circuit, and both as plain data: nodes in rows and columns, edges from a sender to an input of a receiver."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sonde.results.plain import nested, number, repeated

MOST_ROLES = 8


@dataclass(frozen=True)
class Node:
    """One component in a drawing of a circuit: the embedding, a head, an MLP, the logits.

    Arguments:
        name: what edges and patterns call it, and what the reader may search for ("blocks.9.attn.z[head=6]").
        label: the few characters that are drawn in it ("9.6").
        row: its row, the lowest is 0; a fraction lifts it above the row (an MLP, which reads the heads of its layer).
        column: its place in the row; columns that no node has are not drawn.
        value: its effect, in the unit of the drawing; `None` where it was not measured.
        role: what it does ("name mover"), one of at most eight.
        detail: one line of text.
        band: what its columns have in common, such as a position in the prompt; its label ends with the name. A band's columns stand side by side.
    """

    name: str
    label: str
    row: float
    column: float
    value: float | None = None
    role: str = ""
    detail: str = ""
    band: str = ""


@dataclass(frozen=True)
class Edge:
    """One edge in a drawing of a circuit.

    Arguments:
        sender: the name of the node whose output it carries.
        receiver: the name of the node that it feeds; several where heads share their keys or values.
        score: its score, in the unit of the drawing; `None` where it has none.
        port: which input of the receiver it feeds ("q", "k", "v"); empty where there is one.
        under: of several receivers those that the input stands under, where it is not the middle of all: a head's value at one position feeds it at
            all later ones.
    """

    sender: str
    receiver: str | Sequence[str]
    score: float | None = None
    port: str = ""
    under: Sequence[str] = ()


def wiring(nodes: Sequence[Node], edges: Sequence[Edge], kept: Sequence[int], rows: Sequence[object]) -> dict[str, Any]:
    """Give nodes column by column; the inputs that the kept edges feed; and for each kept edge its sender and its input, by index."""
    place = {node.name: i for i, node in enumerate(nodes)}
    if len(place) < len(nodes):
        raise ValueError(f"two nodes are called {repeated([node.name for node in nodes])[0]!r}")
    heights = nested("the rows of the nodes", [node.row for node in nodes], (len(nodes),), float)
    columns = nested("the columns of the nodes", [node.column for node in nodes], (len(nodes),), float)
    at: dict[tuple[float, float], str] = {}
    for node, spot in zip(nodes, zip(heights, columns, strict=True), strict=True):
        if not 0 <= spot[0] < len(rows):
            raise ValueError(f"node {node.name!r} is in row {node.row!r}, and there are {len(rows)} rows")
        if (other := at.setdefault(spot, node.name)) != node.name:
            raise ValueError(f"nodes {other!r} and {node.name!r} stand at the same place: row {node.row:g}, column {node.column:g}")
    if twice := repeated_edge(edges):
        raise ValueError(f"an edge is there twice: {twice}")
    for edge in edges:
        if not receivers_of(edge):
            raise ValueError(f"an edge from {edge.sender!r} has no receiver")
        if strange := [name for name in edge.under if name not in receivers_of(edge)]:
            raise ValueError(f"an input stands under {strange[0]!r}, which is none of its receivers")
        for end in (edge.sender, *receivers_of(edge)):
            if end not in place:
                raise ValueError(f"an edge ends at {end!r}, and no node is called so")
        if flat := [end for end in receivers_of(edge) if heights[place[end]] <= heights[place[edge.sender]]]:
            raise ValueError(f"the edge from {edge.sender!r} to {flat[0]!r} does not go upwards; give the receiver a higher row")
    inputs = list(dict.fromkeys(_input(edges[i]) for i in kept))
    index = {one: i for i, one in enumerate(inputs)}
    return {
        "nodes": {"rows": heights, "columns": columns} | _words(nodes),
        "inputs": [
            {"port": str(port), "feeds": [place[name] for name in receivers]} | ({"under": [place[name] for name in under]} if under else {})
            for receivers, port, under in inputs
        ],
        "senders": [place[edges[i].sender] for i in kept],
        "receivers": [index[_input(edges[i])] for i in kept],
    }


def _words(nodes: Sequence[Node]) -> dict[str, Any]:
    """What nodes are called, and what is known of them."""
    roles = list(dict.fromkeys(node.role for node in nodes if node.role))
    if len(roles) > MOST_ROLES:
        raise ValueError(f"{len(roles)} roles cannot be told apart; give at most {MOST_ROLES}")
    words: dict[str, Any] = {"names": [str(node.name) for node in nodes], "labels": [str(node.label) for node in nodes]}
    if any(node.value is not None for node in nodes):
        words["values"] = nested("the values of the nodes", [node.value for node in nodes], (len(nodes),), number)
    if roles:
        words["roles"] = {"names": roles, "of": [roles.index(node.role) if node.role else None for node in nodes]}
    bands = list(dict.fromkeys(node.band for node in nodes if node.band))
    if bands:
        words["bands"] = {"names": bands, "of": [bands.index(node.band) if node.band else None for node in nodes]}
    if any(node.detail for node in nodes):
        words["details"] = [str(node.detail) for node in nodes]
    return words


def receivers_of(edge: Edge) -> tuple[str, ...]:
    """Give the names of the nodes that an edge feeds."""
    return (edge.receiver,) if isinstance(edge.receiver, str) else tuple(edge.receiver)


def _input(edge: Edge) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """What tells the input that an edge feeds from the others."""
    return receivers_of(edge), edge.port, tuple(edge.under)


def edge_key(edge: Edge) -> tuple[str, tuple[str, ...], str]:
    """Give what tells an edge from the others, whatever its score."""
    return edge.sender, receivers_of(edge), edge.port


def repeated_edge(edges: Sequence[Edge]) -> str:
    """Give the first edge that is there twice, in words; empty where there is none."""
    seen = set()
    for edge in edges:
        if (key := edge_key(edge)) in seen:
            return f"from {edge.sender!r} to {', '.join(receivers_of(edge))!r} {edge.port}".rstrip()
        seen.add(key)
    return ""
