"""Scores of nodes: what each of them is worth, by whatever method, in one unit.

A score is in the unit of the metric and means the change of its mean over the examples when the node is ablated: ablated less intact. Under a metric
of which more is better, nodes that carry the answer have negative scores. Methods that add up sizes give scores without a sign, and say so.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.circuits.conditions import Conditions
from sonde.results import Drawing, InputError, Result
from sonde.results.drawing import bars

if TYPE_CHECKING:
    from polars import DataFrame

DRAWN = 30  # bars


@dataclass(frozen=True, eq=False, repr=False)
class NodeScores(Result):
    """A score for each of some nodes.

    Arguments:
        nodes: by their sites.
        values: the scores, means over the examples.
        method: how they were computed, in words.
        conditions: what was measured, and what takes the place of a node.
        per_example: the scores of each example.
        signed: whether they have a sign; those without are sizes.
    """

    nodes: list[str]
    values: Float[Tensor, " node"]
    method: str
    conditions: Conditions
    per_example: Float[Tensor, "node example"]
    signed: bool = True

    @property
    def unit(self) -> str:
        """The unit of the scores."""
        return self.conditions.unit

    def top(self, k: int) -> list[str]:
        """The nodes that matter most, by the size of their scores.

        Arguments:
            k: how many.

        Raises:
            InputError: fewer than one, or more than there are.
        """
        if not 1 <= k <= len(self.nodes):
            raise InputError(f"k={k}: there are {len(self.nodes)} nodes; give a number from 1 to that")
        return [self.nodes[i] for i in self.values.abs().argsort(descending=True, stable=True)[:k].tolist()]

    def to_frame(self) -> "DataFrame":
        """One row per node, the strongest first, with the standard error over the examples."""
        import polars as pl

        n = self.per_example.shape[1]
        errors = self.per_example.std(1) / n**0.5 if n > 1 else torch.full_like(self.values, torch.nan)
        frame = pl.DataFrame({"node": self.nodes, "score": self.values.tolist(), "standard_error": errors.tolist()})
        frame = frame.with_columns(pl.col("standard_error").fill_nan(None))
        return frame.sort(pl.col("score").abs(), descending=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """The strongest nodes as ranked bars."""
        frame = self.to_frame().head(DRAWN)
        what = "change when the node is ablated" if self.signed else "size of the change when the node is ablated"
        note = f"{self.method}: {what}; {self.conditions}; the {len(frame)} strongest of {len(self.nodes):,}"
        return bars("What is each node worth?", self.unit, frame["node"].to_list(), frame["score"].to_list(), note=note)
