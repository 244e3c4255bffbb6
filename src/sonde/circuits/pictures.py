"""Circuits as graphs to look at: components in rows from the embedding up to the logits, joined by edges.

A node of the picture is a component: a head stands once, and its query, key and value are inputs of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph, Part
from sonde.results import Drawing
from sonde.results.drawing import Curve, Edge, Node, circuit_graph, circuit_pair

if TYPE_CHECKING:
    from sonde.circuits.circuit import Circuit

MOST_NODES = 200  # up to which components without an edge are drawn, too
ZERO = "ablating it changes nothing"
CLOSED = "surely closed"  # of a mask


@dataclass(frozen=True, eq=False)
class Picture:
    """A graph's components at their places.

    Arguments:
        graph: of the components.
    """

    graph: Graph

    @property
    def rows(self) -> list[str]:
        """The labels of the rows, from the bottom."""
        return ["embedding", *map(str, range(self.graph.receiving[-1].layer)), "logits"]

    def edge(self, sender: int, receiver: int, score: float | None = None) -> Edge:
        """One edge.

        Arguments:
            sender, receiver: their numbers in the graph.
            score: what it is worth.
        """
        graph = self.graph
        fed = graph.feeds[receiver].nonzero()[:, 0].tolist()
        names = tuple(graph.senders[i] for i in fed) or (graph.receivers[receiver],)
        kind = self._reading[receiver].kind
        # a key or value at a position is read at others, too: it stands where it is
        here = tuple(graph.senders[i] for i in fed if i % graph.n_spans == receiver % graph.n_spans)
        under = here if graph.spans and len(here) < len(names) else ()
        return Edge(graph.senders[sender], names if len(names) > 1 else names[0], score, kind if kind in ("q", "k", "v") else "", under)

    def nodes(self, edges: Iterable[Edge]) -> list[Node]:
        """The components that edges join; in a small graph the others, too.

        Arguments:
            edges: what is drawn.
        """
        joined = {name for edge in edges for name in (edge.sender, *([edge.receiver] if isinstance(edge.receiver, str) else edge.receiver))}
        every = len(self.graph.senders) <= MOST_NODES
        return [node for node in self._all() if every or node.name in joined]

    def looks(self, nodes: Sequence[Node], patterns: Mapping[str, Float[Tensor, "query key"]]) -> dict[str, Float[Tensor, "query key"]]:
        """Where the heads among some nodes look: the same at each of their spans.

        Arguments:
            nodes: what is drawn.
            patterns: by the sites of heads.
        """
        sources = dict(zip(self.graph.senders, (source for source in self.graph.sources for _ in range(self.graph.n_spans)), strict=True))
        found = {node.name: sources.get(node.name, "") for node in nodes}
        return {name: patterns[source] for name, source in found.items() if source in patterns}

    def _all(self) -> Iterable[Node]:
        spans = self.graph.spans or ("",)
        embeddings = [part for part in self.graph.sending if part.layer < 0]
        beside = [part for part in self.graph.sending if part.layer >= 0]
        heads = max((len(part) for part in beside if _attends(part)), default=1)
        width = heads + max((len(part) for part in beside if not _attends(part)), default=0)  # of the columns of one span
        names = iter(self.graph.senders)
        for part in self.graph.sending:
            row = 0 if part.layer < 0 else 1 + part.layer + (part.step % 2) / 2
            first = heads / 2 + embeddings.index(part) if part.layer < 0 else 0 if _attends(part) else heads
            for i in range(len(part)):
                for j, span in enumerate(spans):
                    yield Node(next(names), f"{_label(part, i)} {span}".rstrip(), row, j * width + first + i, band=span)
        for j, span in enumerate(spans):
            name = self.graph.receivers[len(self.graph.receivers) - len(spans) + j]
            yield Node(name, f"logits {span}".rstrip(), len(self.rows) - 1, j * width + heads / 2, band=span)

    @property
    def _reading(self) -> list[Part]:
        return [part for part in self.graph.receiving for _ in range(len(part) * self.graph.n_spans)]


def _attends(part: Part) -> bool:
    """Whether a part adds what attention moves."""
    return part.site.split(".")[2] == "attn"


def _label(part: Part, i: int) -> str:
    """A few characters for one node of a part."""
    if part.kind == "embed":
        return {"blocks.0.resid_pre": "embed", "pos_embed": "position", "type_embed": "type"}.get(part.site, part.site)
    if part.kind == "feature":
        return f"{part.layer} error" if part.names[i].endswith(".error") else f"{part.layer} f{i}"
    return {"head": f"{part.layer}.{i}", "attn": f"attn {part.layer}", "mlp": f"MLP {part.layer}", "neuron": f"{part.layer} n{i}"}[part.kind]


def ranked_graph(
    title: str, graph: Graph, unit: str, ranked: Sequence[tuple[int, int, float]], shown: int, curve: Curve | None = None,
    patterns: Mapping[str, Float[Tensor, "query key"]] | None = None, tokens: Sequence[str] | None = None, note: str = "",
) -> Drawing:  # fmt: skip
    """Draw ranked edges; the reader chooses how many of them are seen.

    Arguments:
        title: the question that the drawing answers.
        graph: of the edges.
        unit: of their scores.
        ranked: the edges in the order in which a circuit takes them: the numbers of sender and receiver, and the score.
        shown: how many are seen at first.
        curve: a measure of the circuits of the first edges.
        patterns: where heads look, by their sites as senders; at whatever span.
        tokens: the tokens that they look at.
        note: one sentence under the drawing.
    """
    picture = Picture(graph)
    edges = [picture.edge(*one) for one in ranked]
    nodes = picture.nodes(edges)
    seen = None if patterns is None else picture.looks(nodes, patterns)
    return circuit_graph(
        title, unit, nodes, edges, rows=picture.rows, order="given", shown=shown, curve=curve, patterns=seen or None, tokens=tokens if seen else None,
        zero=ZERO, note=note,
    )  # fmt: skip


def drawn(circuit: "Circuit", title: str = "Which edges are the circuit?", note: str = "") -> Drawing:
    """Draw a circuit, its strongest edges first where they have scores.

    Arguments:
        circuit: what is drawn.
        title: the question that the drawing answers.
        note: one sentence under the drawing.
    """
    picture = Picture(circuit.graph)
    edges = _edges(picture, circuit)
    said = f"{circuit.n_edges:,} of {circuit.graph.n_edges:,} edges, {circuit.method}{f'; {note}' if note else ''}"
    zero, seen = CLOSED if circuit.meaning else ZERO, len(edges) or None
    return circuit_graph(title, circuit.unit, picture.nodes(edges), edges, rows=picture.rows, shown=seen, zero=zero, note=said)


def pair(
    first: tuple[str, "Circuit"], second: tuple[str, "Circuit"], title: str = "What do both have, and what has one alone?", note: str = ""
) -> Drawing:
    """Draw two circuits of one graph, what they share told from what only one has.

    Arguments:
        first, second: a name and a circuit.
        title: the question that the drawing answers.
        note: one sentence under the drawing.
    """
    picture = Picture(first[1].graph)
    sides = [(name, _edges(picture, circuit)) for name, circuit in (first, second)]
    nodes = picture.nodes([*sides[0][1], *sides[1][1]])
    return circuit_pair(title, first[1].unit or second[1].unit, nodes, *sides, rows=picture.rows, note=note)


def _edges(picture: Picture, circuit: "Circuit") -> list[Edge]:
    weights = circuit.weights
    return [picture.edge(s, r, None if weights is None else float(weights[s, r])) for s, r in circuit.mask.nonzero().tolist()]
