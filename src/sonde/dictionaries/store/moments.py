"""Mean and spread of every column, gathered block by block in float64 (Chan, Golub and LeVeque 1983)."""

from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

PIECE = 4096
"""Rows at a time."""


@dataclass(frozen=True, eq=False)
class Columns:
    """What is known of some columns.

    Arguments:
        rows: how many rows were seen.
        mean: of each column.
        deviations: the sum of squared deviations from the mean.

    >>> first, second = Columns.of(torch.tensor([[1.0], [3.0]])), Columns.of(torch.tensor([[5.0]]))
    >>> both = first.merged(second)
    >>> both.mean.item(), round(both.variance.item(), 3)
    (3.0, 2.667)
    """

    rows: int
    mean: Float[Tensor, " width"]
    deviations: Float[Tensor, " width"]

    @staticmethod
    def of(rows: Float[Tensor, "row width"]) -> "Columns":
        """Of some rows; a few thousand at a time, since float64 takes four times the memory of float16."""
        return reduce(Columns.merged, map(Columns._exact, rows.split(PIECE)))

    @staticmethod
    def _exact(rows: Tensor) -> "Columns":
        exact = rows.double()
        mean = exact.mean(0)
        return Columns(len(rows), mean, (exact - mean).square_().sum(0))

    def merged(self, other: "Columns") -> "Columns":
        """Of this and the other together."""
        rows = self.rows + other.rows
        apart = other.mean - self.mean
        share = other.rows / rows
        return Columns(rows, self.mean + apart * share, self.deviations + other.deviations + apart**2 * (self.rows * share))

    @property
    def variance(self) -> Float[Tensor, " width"]:
        """Of each column, over the rows."""
        return self.deviations / self.rows

    @property
    def constant(self) -> list[int]:
        """The columns that hold one value in every row."""
        return torch.nonzero(self.deviations == 0).flatten().tolist()
