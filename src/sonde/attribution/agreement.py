"""Do methods agree? Rank correlation and shared top tokens, beside what random orders give.

Agreement is no proof (methods may share a blind spot), but disagreement says that at most one of them is right. Special tokens are left out: their
values are often large, and would make any two methods agree.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.attribution.ranks import overlap
from sonde.attribution.results import Attribution
from sonde.evidence import spearman
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Control, bars

if TYPE_CHECKING:
    from polars import DataFrame

RANDOM_ORDERS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """How far attribution methods agree on the same examples.

    Arguments:
        pairs: the methods compared, two by two.
        spearman: rank correlation of the two methods' values over each example's tokens; NaN where a method gives all tokens the same.
        overlap: the share of the highest tokens that both have.
        k: how many tokens count as the highest in each example: a fifth, at least one.
        chance: 95 % of random orders have a mean rank correlation within these ends.
        chance_overlap: the mean overlap of random orders.
    """

    pairs: list[tuple[str, str]]
    spearman: Float[Tensor, "pair example"]
    overlap: Float[Tensor, "pair example"]
    k: list[int]
    chance: tuple[float, float]
    chance_overlap: float

    def to_frame(self) -> "DataFrame":
        """One row per pair of methods."""
        import polars as pl

        columns = {
            "first": [a for a, _ in self.pairs],
            "second": [b for _, b in self.pairs],
            "spearman": self.spearman.nanmean(-1).tolist(),
            "overlap": self.overlap.mean(-1).tolist(),
        }
        return pl.DataFrame(columns).with_columns(chance_low=self.chance[0], chance_high=self.chance[1], chance_overlap=self.chance_overlap)

    def drawing(self) -> Drawing:
        """The rank correlations as bars over the band of random orders."""
        shared = ", ".join(f"{a} and {b} {share:.0%}" for (a, b), share in zip(self.pairs, self.overlap.mean(-1).tolist(), strict=True))
        return bars(
            "Do the methods agree?",
            "Spearman's rank correlation",
            [f"{a} and {b}" for a, b in self.pairs],
            self.spearman.nanmean(-1),
            control=Control("random orders", 0.0, self.chance),
            zero="no agreement",
            note=f"Of the highest fifth of tokens they share: {shared}; random orders {self.chance_overlap:.0%}. Special tokens are left out.",
        )


def agreement(results: Sequence[Attribution], seed: int = 0) -> Agreement:
    """Compare attributions of the same examples.

    Arguments:
        results: two or more.
        seed: of the random orders.

    Raises:
        InputError: fewer than two results, or results of different examples.

    >>> import sonde
    >>> from sonde.attribution import gradient_x_input, occlusion
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=4)
    >>> agreement([gradient_x_input(model, task), occlusion(model, task, baseline="pad")]).pairs
    [('gradient x input', 'occlusion')]
    """
    if len(results) < 2:
        raise InputError("agreement compares at least two attributions")
    first = results[0]
    for other in results[1:]:
        if other.tokens != first.tokens:
            raise InputError(f"{first.method} and {other.method} were asked about different examples, so they cannot be compared")
    pairs = list(itertools.combinations(results, 2))
    kept = [torch.tensor([i for i, special in enumerate(row) if not special]) for row in first.special]
    ks = [max(1, round(len(places) / 5)) for places in kept]
    correlation = torch.stack([torch.stack([spearman(a.values[i, places], b.values[i, places]) for i, places in enumerate(kept)]) for a, b in pairs])
    shared = [[overlap(a.values[i, places], b.values[i, places], k) for i, (places, k) in enumerate(zip(kept, ks, strict=True))] for a, b in pairs]
    return Agreement(
        pairs=[(a.method, b.method) for a, b in pairs],
        spearman=correlation.float(),
        overlap=torch.tensor(shared),
        k=ks,
        chance=_chance([len(places) for places in kept], seed),
        chance_overlap=sum(k / len(places) for k, places in zip(ks, kept, strict=True)) / len(ks),
        recipe=Recipe.of(
            "sonde.attribution.agreement",
            {"methods": [r.recipe.function for r in results]},
            model_hash=first.recipe.model_hash,
            inputs=first.recipe.inputs_hash,
            seed=seed,
        ),
    )


def _chance(lengths: Sequence[int], seed: int) -> tuple[float, float]:
    """Where 95 % of random orders' mean correlations lie."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [spearman(torch.arange(float(n)), torch.rand(RANDOM_ORDERS, n, generator=generator)) for n in lengths if n > 1]
    if not drawn:
        return -1.0, 1.0
    low, high = torch.stack(drawn).mean(0).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
