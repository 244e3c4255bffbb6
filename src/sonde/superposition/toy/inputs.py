"""What toy models are fed: features that are mostly absent, alone, together with others, or instead of others.

A feature is present with probability 1 - S, its sparsity S, and then uniform between 0 and 1. One number v, uniform as well, decides who is present:
each feature of its own has a v of its own; those of a correlated group share one and are present where v < 1 - S; of an anti-correlated group with
that v the k-th is present where k (1 - S) <= v < (k + 1) (1 - S), so that two of them never meet (Elhage et al. 2022).

Inputs stand in the last axis: (instance feature input).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

Relation = Literal["independent", "correlated", "anticorrelated"]


@dataclass(frozen=True)
class Features:
    """How many features there are, and how they go together.

    Arguments:
        n: features.
        relation: of those of one group.
        group: features of a group, neighbours; of no consequence where they are independent.

    Raises:
        InputError: no feature, no such relation, groups that do not divide them.

    >>> Features(6, "anticorrelated", group=3).draw(torch.tensor([0.3]), 1000, torch.Generator().manual_seed(0)).ne(0).sum(1).max()
    tensor(2)
    """

    n: int
    relation: Relation = "independent"
    group: int = 2

    def __post_init__(self) -> None:
        if self.n < 1 or self.relation not in get_args(Relation):
            raise InputError(f"{self.n} features, relation={self.relation!r}: give one feature or more, and one of {', '.join(get_args(Relation))}")
        if self.relation != "independent" and (self.group < 2 or self.n % self.group):
            raise InputError(f"{self.n} features make no {self.relation} groups of {self.group}: give a multiple of a group of two or more")

    def refuse(self, sparsity: float) -> None:
        """Raise `InputError` where nothing can be drawn with this sparsity."""
        if not 0 <= sparsity < 1:
            raise InputError(f"sparsity {sparsity}: give 0 or more and less than 1; with sparsity 1 there are no data")
        if self.relation == "anticorrelated" and self.group * (1 - sparsity) > 1 + 1e-9:
            raise InputError(f"{self.group} features that exclude one another are each absent at least {1 - 1 / self.group:.3g} of the time")

    def draw(self, density: Float[Tensor, " instance"], batch: int, generator: torch.Generator) -> Float[Tensor, "instance feature batch"]:
        """Inputs for every instance.

        Arguments:
            density: 1 - S of each instance.
            batch: inputs of each.
            generator: of the draws.
        """
        size = 1 if self.relation == "independent" else self.group
        v = torch.rand(len(density), self.n // size, batch, generator=generator).repeat_interleave(size, dim=1)
        amount = torch.rand(len(density), self.n, batch, generator=generator)
        chance = density[:, None, None]
        if self.relation == "anticorrelated":
            v = v - chance * (torch.arange(self.n) % size)[:, None]
        return amount * ((v >= 0) & (v < chance))
