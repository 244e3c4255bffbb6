"""Scores of edges: what each of them is worth, by whatever method, in one unit.

A score is in the unit of the metric and means the change of its mean over the examples when the edge is ablated: ablated minus intact. Under a metric
of which more is better, edges that carry the answer have negative scores. What a mask has learnt is no such change but a size, and says so.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph, Model
from sonde.circuits import documents
from sonde.circuits.circuit import Circuit
from sonde.circuits.conditions import Conditions
from sonde.circuits.ranking import above, greedily, strengths, strongest
from sonde.results import Drawing, InputError, Result
from sonde.results.drawing import bars

if TYPE_CHECKING:
    from polars import DataFrame

DRAWN = 30  # bars


@dataclass(frozen=True, eq=False, repr=False)
class EdgeScores(Result):
    """A score for each edge of a graph: the change of the metric when it is ablated.

    Arguments:
        graph: of the edges.
        values: the scores, means over the examples; 0 where there is no edge, NaN where an edge was not scored.
        method: how they were computed, in words.
        conditions: what was measured, and what the ablated edges carry.
        per_example: the scores of each example, edges in the order of `graph.real.nonzero()`; `None` where they were not kept.
        norm: whether the scale of the norms moves with what is ablated, or is held.
        steps: of an integral along a path; `None` for other methods.
        meaning: what the scores are where they are sizes without a sign, such as how open a mask is; empty for changes of the metric.
    """

    graph: Graph
    values: Float[Tensor, "sender receiver"]
    method: str
    conditions: Conditions
    per_example: Float[Tensor, "edge example"] | None = None
    norm: Literal["live", "frozen"] = "live"
    steps: int | None = None
    meaning: str = ""

    @property
    def unit(self) -> str:
        """The unit of the scores."""
        return self.meaning or self.conditions.unit

    @property
    def n(self) -> int:
        """How many examples they are means over."""
        return self.conditions.n

    @property
    def n_scored(self) -> int:
        """How many edges have a score."""
        return int((self.graph.real & ~self.values.isnan()).sum())

    def top(self, k: int, signed: bool = False, connected: bool = True) -> Circuit:
        """The circuit of the strongest edges.

        Arguments:
            k: how many.
            signed: whether edges that stand against the answer count as the weakest, instead of by their absolute value.
            connected: leave out those of the k that come from nowhere or lead nowhere.

        Raises:
            InputError: no edges, or more than were scored.
        """
        return self._circuit(strongest(self.strengths(signed), k), f"the {k:,} strongest edges", signed, connected)

    def threshold(self, least: float, signed: bool = False, connected: bool = True) -> Circuit:
        """The circuit of the edges that are at least so strong.

        Arguments:
            least: in the unit of the scores.
            signed: whether edges that stand against the answer count as the weakest, instead of by their absolute value.
            connected: leave out those that come from nowhere or lead nowhere.

        Raises:
            InputError: a threshold that keeps nothing.
        """
        return self._circuit(above(self.strengths(signed), least), f"the edges of at least {least:g} {self.unit}", signed, connected)

    def greedy(self, k: int, signed: bool = False, connected: bool = True) -> Circuit:
        """The circuit that grows from the logits down, by the strongest edge into what is connected already.

        Arguments:
            k: how many edges.
            signed: whether edges that stand against the answer count as the weakest, instead of by their absolute value.
            connected: leave out those that come from nowhere.

        Raises:
            InputError: no edges, or more than were scored and can be reached.
        """
        return self._circuit(greedily(self.graph, self.strengths(signed), k), f"{k:,} edges greedily from the logits", signed, connected)

    def strengths(self, signed: bool = False) -> Float[Tensor, "sender receiver"]:
        """How strong each edge is; -inf for what is no edge, or was not scored.

        Arguments:
            signed: whether edges that stand against the answer are the weakest.
        """
        return strengths(self.graph, self.values, signed and not self.meaning, self.conditions.sign)

    def resampled(self, n: int, seed: int = 0) -> Float[Tensor, "draw sender receiver"]:
        """The scores over examples drawn again with replacement.

        Arguments:
            n: how many draws.
            seed: of the draws.

        Raises:
            InputError: the scores of the examples were not kept.
        """
        if self.per_example is None:
            raise InputError(f"the {self.method} scores of each example were not kept, so they cannot be drawn again: score fewer examples at once")
        count = self.per_example.shape[1]
        draws = torch.randint(count, (n, count), generator=torch.Generator().manual_seed(seed))
        weights = torch.stack([row.bincount(minlength=count) for row in draws]) / count
        found = torch.zeros(n, *self.values.shape, dtype=self.per_example.dtype)
        found[:, self.graph.real] = weights.to(self.per_example) @ self.per_example.T
        return found

    def to_frame(self) -> "DataFrame":
        """One row per edge, the strongest first."""
        import polars as pl

        edges = self.graph.real.T.nonzero().tolist()
        frame = pl.DataFrame(
            {
                "sender": [self.graph.senders[s] for _, s in edges],
                "receiver": [self.graph.receivers[r] for r, _ in edges],
                "score": [float(self.values[s, r]) for r, s in edges],
            }
        ).with_columns(pl.col("score").fill_nan(None))
        return frame.sort(pl.col("score").abs(), descending=True, nulls_last=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """The strongest edges as ranked bars."""
        frame = self.to_frame().drop_nulls().head(DRAWN)
        labels = [f"{sender} -> {receiver}" for sender, receiver in zip(frame["sender"], frame["receiver"], strict=True)]
        told = self.conditions
        # of sizes nothing was ablated, and what would take the place of it is not told
        on = f"{self.meaning}; {told.n} examples of {told.task}; {told.granularity}" if self.meaning else f"change when the edge is ablated; {told}"
        note = f"{self.method}: {on}; the {len(frame)} strongest of {self.n_scored:,}"
        return bars("What is each edge worth?", self.unit, labels, frame["score"].to_list(), note=note)

    def to_mib(self, model: Model, file: str | Path) -> Path:
        """Write the scores as MIB's evaluation reads them.

        Arguments:
            model: the model that was scored.
            file: where; it ends in `.json`.

        Raises:
            InputError: a graph that MIB has not, or another ending. CheckRefused: another model.
        """
        self.refuse_other(model)
        worse = self.values if self.meaning else -self.values * self.conditions.sign
        return documents.write_mib(self.graph, worse, None, model.d_model, file)

    def _circuit(self, mask: Tensor, what: str, signed: bool, connected: bool) -> Circuit:
        method = f"{what} by {self.method}{', signed' if signed else ''}"
        recipe = replace(self.recipe, arguments=self.recipe.arguments | {"chosen": what, "signed": signed, "connected": connected})
        circuit = Circuit(self.graph, mask, method, self.conditions, self.values, int(mask.sum()), self.meaning, recipe=recipe)
        return circuit.prune() if connected else circuit
