"""Do methods agree? Rank correlation, shared highest places and their signs, beside what random orders give.

Agreement is no proof (methods may share a blind spot), but disagreement says that at most one of them is right: it is shown by measure and by pair of
methods, and no mean of methods is ever formed. Special tokens are left out: their values are often large, and would make any two methods agree.

Of the k places with the largest sizes (Krishna et al. 2022, "The disagreement problem in explainable machine learning"):

    feature: the share that both have     rank: ... at the same rank     sign: ... with the same sign     signed rank: ... with both
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.attribution.places import places
from sonde.attribution.ranks import overlap
from sonde.attribution.results import Attribution
from sonde.evidence import spearman
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Control, bars, matrix

if TYPE_CHECKING:
    from polars import DataFrame

RANDOM_ORDERS = 1000
MANY = 100  # of so many places a random order's correlation is normal, with the deviation 1 / sqrt(n - 1)
TOP = ("feature", "rank", "sign", "signed rank")


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """How far attribution methods agree on the same examples.

    Arguments:
        pairs: the methods compared, two by two.
        spearman: rank correlation of the two methods' values over each example's places; NaN where a method gives all places the same.
        overlap: the share of the highest places that both have.
        k: how many places count as the highest in each example: a fifth, at least one.
        chance: 95 % of random orders have a mean rank correlation within these ends.
        chance_overlap: the mean overlap of random orders.
        top: of the k places with the largest sizes the share that both have, at the same rank, with the same sign, with both (`TOP`).
        what: what the places are called.
    """

    pairs: list[tuple[str, str]]
    spearman: Float[Tensor, "pair example"]
    overlap: Float[Tensor, "pair example"]
    k: list[int]
    chance: tuple[float, float]
    chance_overlap: float
    top: Float[Tensor, "measure pair example"]
    what: str = "tokens"

    def to_frame(self) -> "DataFrame":
        """One row per pair of methods."""
        import polars as pl

        columns = {
            "first": [a for a, _ in self.pairs],
            "second": [b for _, b in self.pairs],
            "spearman": self.spearman.nanmean(-1).tolist(),
            "overlap": self.overlap.mean(-1).tolist(),
        } | {name.replace(" ", "_"): shares.mean(-1).tolist() for name, shares in zip(TOP, self.top, strict=True)}
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
            note=f"Of the highest fifth of {self.what} they share: {shared}; random orders {self.chance_overlap:.0%}."
            + (" Special tokens are left out." if self.what == "tokens" else ""),
        )

    def matrix(self, measure: Literal["spearman", "overlap", "feature", "rank", "sign", "signed rank"] = "spearman") -> Drawing:
        """Every method against every other one, by one measure.

        Arguments:
            measure: the rank correlation, the share of the highest places that both have, or one of `TOP`.

        Raises:
            InputError: an unknown measure.
        """
        known = {"spearman": self.spearman, "overlap": self.overlap} | dict(zip(TOP, self.top, strict=True))
        if measure not in known:
            raise InputError(f"measure={measure!r} is none of {', '.join(known)}")
        names = list(dict.fromkeys(name for pair in self.pairs for name in pair))
        cells = torch.eye(len(names))
        for (a, b), value in zip(self.pairs, known[measure].nanmean(-1), strict=True):
            cells[names.index(a), names.index(b)] = cells[names.index(b), names.index(a)] = value
        correlation = measure == "spearman"
        chance = f"{self.chance[0]:.2f} to {self.chance[1]:.2f}" if correlation else f"{self.chance_overlap:.2f}"
        note = f"Means over {self.spearman.shape[1]} examples." + (
            f" Random orders: {chance}." if measure in ("spearman", "overlap", "feature") else ""
        )
        unit = "Spearman's rank correlation" if correlation else f"share of the first fifth ({measure})"
        scale: Literal["diverging", "sequential"] = "diverging" if correlation else "sequential"
        return matrix(
            "Do the methods agree?", unit, cells, row_name="method", rows=names, col_name="method", cols=names, scale=scale, limit=1.0,
            zero="no agreement", note=note,
        )  # fmt: skip


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
    labels = [places(first, i)[1].tolist() for i in range(len(first))]
    for other in results[1:]:
        seen = first.pictures is None or other.pictures is None or torch.equal(first.pictures, other.pictures)
        if not seen or other.tokens != first.tokens or [places(other, i)[1].tolist() for i in range(len(other))] != labels:
            raise InputError(f"{first.method} and {other.method} were asked about different examples, so they cannot be compared")
    maps = dict(zip(_distinct([result.method for result in results]), [[places(r, i)[0] for i in range(len(r))] for r in results], strict=True))
    pairs = list(itertools.combinations(maps, 2))
    sizes = [len(values) for values in maps[pairs[0][0]]]
    ks = [max(1, round(n / 5)) for n in sizes]
    both = [list(zip(maps[a], maps[b], ks, strict=True)) for a, b in pairs]
    top = torch.tensor([[_top(x, y, k) for x, y, k in pair] for pair in both])
    return Agreement(
        pairs=pairs,
        spearman=torch.stack([torch.stack([spearman(x, y) for x, y, _ in pair]) for pair in both]).float(),
        overlap=torch.tensor([[overlap(x, y, k) for x, y, k in pair] for pair in both]),
        k=ks,
        chance=_chance(sizes, seed),
        chance_overlap=sum(k / n for k, n in zip(ks, sizes, strict=True)) / len(ks),
        top=top.permute(2, 0, 1),
        what="tokens" if first.tokens and first.axes == ("pos",) else "places",
        recipe=Recipe.of(
            "sonde.attribution.agreement",
            {"methods": [r.recipe.function for r in results]},
            model_hash=first.recipe.model_hash,
            inputs=first.recipe.inputs_hash,
            seed=seed,
        ),
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of which none is twice there: a second one gets its number."""
    return [name if names[:i].count(name) == 0 else f"{name} ({names[:i].count(name) + 1})" for i, name in enumerate(names)]


def _top(a: Float[Tensor, " place"], b: Float[Tensor, " place"], k: int) -> list[float]:
    """The measures of `TOP` for one example."""
    first, second = (side.abs().argsort(descending=True, stable=True)[:k].tolist() for side in (a, b))
    same_sign = [bool(a[i].sign() == b[i].sign()) for i in first]
    shared, ranked = [i in second for i in first], [i == j for i, j in zip(first, second, strict=True)]
    signed = [x and y for x, y in zip(shared, same_sign, strict=True)]
    both = [x and y for x, y in zip(ranked, same_sign, strict=True)]
    return [sum(holds) / k for holds in (shared, ranked, signed, both)]


def _chance(lengths: Sequence[int], seed: int) -> tuple[float, float]:
    """Where 95 % of random orders' mean correlations lie."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        spearman(torch.arange(float(n)), torch.rand(RANDOM_ORDERS, n, generator=generator))
        if n < MANY
        else torch.randn(RANDOM_ORDERS, generator=generator, dtype=torch.float64) / (n - 1) ** 0.5
        for n in lengths
        if n > 1
    ]
    if not drawn:
        return -1.0, 1.0
    low, high = torch.stack(drawn).mean(0).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
