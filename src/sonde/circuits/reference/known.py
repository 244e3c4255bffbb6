"""What is known of a circuit from the literature, and how it becomes edges of a graph.

Circuits that were found by path patching are graphs of heads, in which whatever lies between two heads in MLPs is part of the link. As edges of a
graph with MLPs they hold more (Conmy et al. 2023, whose rule this is): the embedding, all MLPs and the logits are joined among one another, each MLP
to every later head of the circuit and each head to every later MLP, and heads to heads as the links say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sonde.access import Graph, Model
from sonde.access.edges import Edge
from sonde.circuits.circuit import Circuit
from sonde.results import InputError, Recipe

Head = tuple[int, int]
EMBEDDING = "blocks.0.resid_pre"


@dataclass(frozen=True)
class Reference:
    """A circuit as it was published.

    Arguments:
        name: what it does.
        model: in which model.
        layers, heads: the model's shape; `None` where it is not known how many heads.
        roles: the heads, by what they do.
        source: where it was published.
        note: what must be known to use it.
        edges: its edges in a graph of that model; `None` where only heads are known.
    """

    name: str
    model: str
    layers: int
    heads: int | None
    roles: Mapping[str, Sequence[Head]]
    source: str
    note: str = ""
    edges: Callable[[Graph], Sequence[Edge]] | None = None

    @property
    def all_heads(self) -> tuple[Head, ...]:
        """The heads of all roles, each once."""
        return tuple(dict.fromkeys(head for heads in self.roles.values() for head in heads))

    def circuit(self, model: Model, graph: Graph | None = None) -> Circuit:
        """Its edges in a model of that shape.

        Arguments:
            model: the model.
            graph: heads and MLPs, a joint embedding, all positions together, as by default.

        Raises:
            InputError: a model of another shape, another granularity, or a circuit of which only heads are known.
        """
        graph = graph or Graph.of(model)
        if model.n_layers != self.layers or self.heads not in (None, model.n_heads):
            raise InputError(
                f"{self.name} is a circuit of {self.model}, {self.layers} blocks of {self.heads or 'some'} heads, and {model.name} has "
                f"{model.n_layers} of {model.n_heads}: load that model"
            )
        if graph.spans or EMBEDDING not in graph.senders or out((0, 0)) not in graph.senders:
            raise InputError(f"{self.name} has heads, MLPs and one embedding at all positions together, and this is {graph!r}: use Graph.of(model)")
        if self.edges is None:
            raise InputError(f"of {self.name} only the heads are known, and no edges: compare nodes, with .all_heads")
        mask = graph.mask(self.edges(graph))
        recipe = Recipe.of("sonde.circuits.reference", {"name": self.name}, model_hash=model.hash, inputs=[self.name, mask])
        return Circuit(graph, mask, f"{self.name} ({self.source})", recipe=recipe)


def out(head: Head) -> str:
    """A head as a sender.

    Arguments:
        head: (block, head).
    """
    return f"blocks.{head[0]}.attn.z[head={head[1]}]"


def into(head: Head, parts: str) -> list[str]:
    """A head as a receiver.

    Arguments:
        head: (block, head).
        parts: of "qkv".

    >>> into((1, 2), "qk")
    ['blocks.1.attn.q[head=2]', 'blocks.1.attn.k[head=2]']
    """
    return [f"blocks.{head[0]}.attn.{part}[head={head[1]}]" for part in parts]


def mlp_out(layer: int) -> str:
    """An MLP as a sender.

    Arguments:
        layer: its block.
    """
    return f"blocks.{layer}.mlp.out"


def mlp_in(layer: int) -> str:
    """An MLP as a receiver.

    Arguments:
        layer: its block.
    """
    return f"blocks.{layer}.mlp.in"


def with_mlps(layers: int, roles: Mapping[str, Sequence[Head]], links: Sequence[tuple[str, str, str]]) -> list[Edge]:
    """The edges of a graph of heads, with all MLPs between them.

    Arguments:
        layers: blocks of the model.
        roles: the heads, by what they do.
        links: (role that sends, role that reads, of which parts), where "input" and "logits" are roles, too.
    """
    mlps = range(layers)
    found = [(EMBEDDING, "logits"), *((EMBEDDING, mlp_in(i)) for i in mlps), *((mlp_out(i), "logits") for i in mlps)]
    found += [(mlp_out(i), mlp_in(j)) for i in mlps for j in mlps if i < j]
    for head in (head for heads in roles.values() for head in heads):
        found += [(mlp_out(i), receiver) for i in range(head[0]) for receiver in into(head, "qkv")]
        found += [(out(head), mlp_in(i)) for i in range(head[0], layers)]
    for sender, reader, parts in links:
        sources = [(-1, EMBEDDING)] if sender == "input" else [(head[0], out(head)) for head in roles[sender]]
        ends = [(layers, "logits")] if reader == "logits" else [(head[0], site) for head in roles[reader] for site in into(head, parts)]
        found += [(source, end) for before, source in sources for after, end in ends if before < after]
    return list(dict.fromkeys(found))
