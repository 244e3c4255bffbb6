"""The reading as a larger, sparse network: features as nearly orthogonal directions, more of them than dimensions.

A network in superposition can be read as the projection of a larger one, in which every feature has a neuron of its own. What the projection costs
stands in the cosines between the features' directions. They are compared with those of random unit vectors, whose deviation is 1 / sqrt(m), and with
Welch's bound: of n unit vectors in m dimensions some pair has a cosine of at least sqrt((n - m) / (m (n - 1))) in size (Welch 1974).

Behind a ReLU only positive interference costs anything: a pentagon has no cosine above .309, while its largest in size is .809.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import compare, random_directions
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash
from sonde.results.drawing import Control, table, tabs, violins

if TYPE_CHECKING:
    from polars import DataFrame

DRAWS = 20


@dataclass(frozen=True, eq=False, repr=False)
class Packing(Result):
    """The cosines between directions, beside those of random ones; made by `packing`.

    Arguments:
        cosines: of each pair, by set.
        random: those of as many random directions.
        n: directions of a set.
        m: dimensions.
    """

    cosines: Float[Tensor, "set pair"]
    random: Float[Tensor, "draw pair"]
    n: int
    m: int

    @property
    def welch(self) -> float:
        """Welch's bound on the largest cosine in size; 0 where the directions fit."""
        return math.sqrt((self.n - self.m) / (self.m * (self.n - 1))) if self.n > self.m else 0.0

    def to_frame(self) -> "DataFrame":
        """One row for each set, and one for each draw of random directions."""
        import polars as pl

        rows = [
            (name, i, float(row.max()), float(row.abs().max()), float(row.square().mean().sqrt()))
            for name, rows in (("measured", self.cosines), ("random", self.random))
            for i, row in enumerate(rows)
        ]
        return pl.DataFrame(rows, ["kind", "set", "largest", "largest_in_size", "deviation"], orient="row")

    def drawing(self) -> Drawing:
        """All cosines, and the bounds."""
        spread = violins(
            "How far are the features from orthogonal?", "cosine of a pair", [f"{self.n} features", "random directions"],
            [self.cosines.flatten(), self.random.flatten()], control=Control("orthogonal", 0.0, (-self.welch, self.welch)),
            note=f"{self.n} directions in {self.m} dimensions. The band is Welch's bound, {self.welch:.3g}: some pair lies at its edge or beyond.",
        )  # fmt: skip
        rows = [
            [name, float(rows.max(1).values.mean()), float(rows.abs().max(1).values.mean()), float(rows.square().mean().sqrt())]
            for name, rows in (("measured", self.cosines), ("random", self.random))
        ] + [["bound", None, self.welch, 1 / math.sqrt(self.m)]]
        columns = ["directions", "largest", "largest in size", "deviation"]
        extremes = table("The largest cosines", columns, rows, note="Means over sets; the last deviation is that of random pairs.")
        return tabs("Are they packed well?", [("cosines", spread), ("extremes", extremes)])

    def check(self) -> list[Verdict]:  # type: ignore[override]
        """Whether no two directions point as much the same way as some random ones do; the examples are the sets."""
        own = self.cosines.max(1).values
        control = self.random.max(1).values[:, None].expand(-1, len(own))
        return [
            compare(
                "The features interfere less than random directions.", "largest cosine of a pair", own, control, direction="less",
                threshold=float(self.random.max(1).values.mean()), threshold_source="the mean of random directions",
            )
        ]  # fmt: skip


def packing(directions: Float[Tensor, "set n m"], seed: int = 0) -> Packing:
    """Compare the angles between directions with those between random ones.

    Arguments:
        directions: one or several sets of vectors, such as the columns of toy models or the decoder of a dictionary; their lengths do not matter.
        seed: of the random directions.

    Raises:
        InputError: fewer than two directions, one that is zero.

    >>> import math
    >>> turns = torch.arange(5) * (2 * math.pi / 5)
    >>> pentagon = packing(torch.stack([turns.cos(), turns.sin()], dim=1)[None])
    >>> round(float(pentagon.cosines.max()), 3), round(float(pentagon.cosines.abs().max()), 3), round(pentagon.welch, 2)
    (0.309, 0.809, 0.61)
    """
    if directions.ndim != 3 or directions.shape[1] < 2 or not (directions.norm(dim=-1) > 0).all():
        raise InputError(f"directions {tuple(directions.shape)}: give sets of two vectors or more that are not zero, as (set, vector, dimension)")
    _, n, m = directions.shape
    drawn = random_directions(m, DRAWS * n, seed).unflatten(0, (DRAWS, n))
    recipe = Recipe.of("sonde.superposition.packing", {"directions": directions}, model_hash=content_hash(directions), inputs=directions, seed=seed)
    return Packing(_pairs(directions), _pairs(drawn), n, m, recipe=recipe)


def _pairs(directions: Float[Tensor, "set n m"]) -> Float[Tensor, "set pair"]:
    units = torch.nn.functional.normalize(directions.double(), dim=-1)
    first, second = torch.triu_indices(units.shape[1], units.shape[1], 1)
    return (units @ units.mT)[:, first, second]
