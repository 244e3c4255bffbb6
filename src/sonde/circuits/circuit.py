"""A circuit: some of a graph's edges, which are said to compute an answer.

C = {u -> v that are intact},    x_v = sum over u -> v in C of z_u  +  sum over the other u -> v of what the ablation puts in the place of z_u
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Graph, Model
from sonde.access.edges import Edge
from sonde.circuits import documents, pictures
from sonde.circuits.conditions import Conditions
from sonde.circuits.nodes import reached, shares
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Circuit(Result):
    """A set of edges of a graph.

    Arguments:
        graph: of all edges.
        mask: those of the circuit.
        method: how it was found, in words.
        conditions: those of the search; `None` where nothing was measured.
        weights: the edges' scores, where they have some.
        nominal: how many edges were asked for, before those that lead nowhere were left out.
        meaning: what the scores are where they are sizes without a sign; empty for changes of the metric by the ablation.
    """

    graph: Graph
    mask: Bool[Tensor, "sender receiver"]
    method: str
    conditions: Conditions | None = None
    weights: Float[Tensor, "sender receiver"] | None = None
    nominal: int | None = None
    meaning: str = ""

    @staticmethod
    def of(model: Model, edges: Sequence[Edge], graph: Graph | None = None, method: str = "given") -> "Circuit":
        """A circuit of given edges.

        Arguments:
            model: whose edges.
            edges: (sender, receiver) by name.
            graph: which nodes there are; heads, MLPs and a joint embedding by default.
            method: where it comes from, in words.

        Raises:
            InputError: an edge that the graph has not.

        >>> import sonde
        >>> model = sonde.load("specimen:words")
        >>> one = Circuit.of(model, [("blocks.0.resid_pre", "blocks.1.mlp.in"), ("blocks.1.mlp.out", "logits")])
        >>> len(one), one.nodes, len(~one)
        (2, ('blocks.0.resid_pre', 'blocks.1.mlp.out', 'logits'), 477)
        """
        graph = graph or Graph.of(model)
        recipe = Recipe.of("sonde.circuits.Circuit.of", {"method": method}, model_hash=model.hash, inputs=[list(edge) for edge in edges])
        return Circuit(graph, graph.mask(edges), method, recipe=recipe)

    def __len__(self) -> int:
        return self.n_edges

    @property
    def unit(self) -> str:
        """The unit of the edges' scores; empty where nothing was measured."""
        return self.meaning or ("" if self.conditions is None else self.conditions.unit)

    @property
    def n_edges(self) -> int:
        """How many edges it has."""
        return int(self.mask.sum())

    @property
    def edges(self) -> list[Edge]:
        """Its edges by name, receiver by receiver."""
        return self.graph.edges(self.mask)

    @property
    def size(self) -> float:
        """Its size in edges between whole components: an edge between neurons, features or spans counts for its share of one.

        With a component divided into |N| nodes and a graph of P spans, an edge u -> v counts 1 / (|N_u| |N_v| P), so that all edges together count as
        many as between the components. Without such divisions it is `n_edges`.
        """
        return float(shares(self.graph)[self.mask].sum())

    @property
    def nodes(self) -> tuple[str, ...]:
        """The components that its edges leave, by their sites as senders, and the logits if an edge reaches them."""
        senders = [name for name, sends in zip(self.graph.senders, self.mask.any(1).tolist(), strict=True) if sends]
        ends = [name for name, reads in zip(self.graph.receivers, self.mask.any(0).tolist(), strict=True) if reads and name.startswith("logits")]
        return (*senders, *ends)

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """The heads that its edges leave: (block, head), each once."""
        found = [name.split("]")[0].split(", ")[0].split(".attn.z[head=") for name in self.nodes if ".attn.z[head=" in name]
        return tuple(dict.fromkeys((int(block.removeprefix("blocks.")), int(head)) for block, head in found))

    def prune(self) -> "Circuit":
        """The circuit without edges that come from nowhere or lead nowhere: each that is left lies on a path from an embedding to the logits.

        An edge that leads nowhere never matters. One that comes from nowhere, from a part without any intact input, does not matter where the ablated
        edges carry what the whole model computes on one other prompt (counterfactual, resample): the part then puts out what is carried anyway. Under
        zero and mean ablation it computes something of constants, and leaving it out may change the metric.
        """
        mask = self.mask & reached(self.graph, self.mask)[:, None] & self.graph.live(self.mask)[1][None]
        return replace(self, mask=mask, nominal=self.nominal or self.n_edges)

    def without(self, edges: Sequence[Edge]) -> "Circuit":
        """The circuit without some edges.

        Arguments:
            edges: by name; those that it has not do not matter.
        """
        return replace(self, mask=self.mask & ~self.graph.mask(edges), nominal=None)

    def __and__(self, other: "Circuit") -> "Circuit":
        """The edges that are in both."""
        return self._with(other, self.mask & self._mask_of(other), "and")

    def __or__(self, other: "Circuit") -> "Circuit":
        """The edges that are in either."""
        return self._with(other, self.mask | self._mask_of(other), "or")

    def __sub__(self, other: "Circuit") -> "Circuit":
        """The edges that are in this one alone."""
        return self._with(other, self.mask & ~self._mask_of(other), "without")

    def __invert__(self) -> "Circuit":
        """All the other edges."""
        return replace(self, mask=self.graph.real & ~self.mask, method=f"not ({self.method})", nominal=None)

    def to_frame(self) -> "DataFrame":
        """One row per edge, the strongest first where they have scores."""
        import polars as pl

        rows = [(s, r) for r, s in self.mask.T.nonzero().tolist()]
        columns: dict[str, Any] = {
            "sender": [self.graph.senders[s] for s, _ in rows],
            "receiver": [self.graph.receivers[r] for _, r in rows],
        }
        if self.weights is None:
            return pl.DataFrame(columns, schema={"sender": pl.String, "receiver": pl.String})
        columns["score"] = [float(self.weights[s, r]) for s, r in rows]
        frame = pl.DataFrame(columns, schema={"sender": pl.String, "receiver": pl.String, "score": pl.Float64})
        return frame.sort(pl.col("score").abs(), descending=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """Its edges between the components of the model, and the list of them."""
        return pictures.drawn(self)

    def check(self, model: Model, task: Task, ablation: Ablation | None = None, n_random: int = 20, seed: int = 0) -> list[Verdict]:  # type: ignore[override]
        """Test on other examples than those of the search whether the circuit is enough, whether it is needed, and whether all of it matters.

        Arguments:
            model: the model that it was found in.
            task: prompts that the search has not seen.
            ablation: what the other edges carry; by default as in the search.
            n_random: random circuits of the same size that it is compared with.
            seed: of their draws.

        Returns:
            Three verdicts: sufficiency, necessity, minimality; not testable on examples that were searched on.

        Raises:
            CheckRefused: another model.
        """
        from sonde.circuits.evaluation import judged

        self.refuse_other(model)
        return judged(model, self, task, ablation, n_random, seed)

    def to_json(self, file: str | Path) -> Path:
        """Write the circuit as a readable file of names.

        Arguments:
            file: where.
        """
        return documents.write(self, file)

    @staticmethod
    def from_json(file: str | Path, model: Model, graph: Graph | None = None) -> "Circuit":
        """Read a circuit that `to_json` wrote, or somebody by hand.

        Arguments:
            file: where.
            model: whose edges.
            graph: which nodes there are; heads, MLPs and a joint embedding by default.

        Raises:
            LoadError: a file that is none. InputError: an edge that the graph has not.
        """
        found = documents.read(file, graph or Graph.of(model))
        recipe = Recipe.of("sonde.circuits.Circuit.from_json", {"file": Path(file).name}, model_hash=model.hash, inputs=found.mask)
        return Circuit(found.graph, found.mask, found.method, weights=found.weights, recipe=recipe)

    def to_mib(self, model: Model, file: str | Path) -> Path:
        """Write the circuit as MIB's evaluation reads it.

        Arguments:
            model: the model that it was found in.
            file: where; it ends in `.json`.

        Raises:
            InputError: a graph that MIB has not, or another ending. CheckRefused: another model.
        """
        self.refuse_other(model)
        # without the metric nobody knows which sign is worse, and the edges of the circuit count alike
        change = None if self.weights is None or self.conditions is None else -self.weights * self.conditions.sign
        worse = self.weights if self.meaning else change
        return documents.write_mib(self.graph, worse, self.mask, model.d_model, file)

    def _mask_of(self, other: "Circuit") -> Tensor:
        same_graph(self.graph, other.graph)
        return other.mask

    def _with(self, other: "Circuit", mask: Tensor, word: str) -> "Circuit":
        one, two = self.recipe, other.recipe
        method = f"({self.method}) {word} ({other.method})"
        recipe = Recipe.of(
            "sonde.circuits.Circuit", {"method": method}, model_hash=one.model_hash if one.model_hash == two.model_hash else "",
            inputs=[one.inputs_hash, two.inputs_hash],
        )  # fmt: skip
        return Circuit(self.graph, mask, method, _both(self.conditions, other.conditions), self.weights, meaning=self.meaning, recipe=recipe)


def same_graph(one: Graph, other: Graph) -> None:
    """Raise `InputError` unless two graphs have the same nodes and edges.

    Arguments:
        one, other: the graphs.
    """
    if one is not other and one.hash != other.hash:
        raise InputError(
            f"the circuits are of different graphs, {one!r} and {other!r}: find both at one granularity, with the same Graph.of arguments"
        )


def named(circuits: "Circuit | Sequence[Circuit] | Mapping[str, Circuit]") -> dict[str, "Circuit"]:
    """Circuits by name: by how they were found where they have no other name.

    Arguments:
        circuits: one, several, or several by name.
    """
    if isinstance(circuits, Circuit):
        circuits = [circuits]
    if isinstance(circuits, Mapping):
        return dict(circuits)
    names = [circuit.method for circuit in circuits]
    return {name if names.count(name) == 1 else f"{name} ({i + 1})": one for i, (name, one) in enumerate(zip(names, circuits, strict=True))}


def _both(one: Conditions | None, other: Conditions | None) -> Conditions | None:
    """The conditions of two searches: those of either has been searched on."""
    if one is None or other is None:
        return one or other
    return replace(one, examples=tuple(dict.fromkeys([*one.examples, *other.examples])))
