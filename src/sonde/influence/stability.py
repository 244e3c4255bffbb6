"""What scores can be asked without any retraining: do they depend on the seed or the damping, and do few examples carry them?

`stability` compares scores with one another and sees no truth, so nothing can be chosen by it on what is reported. `concentration` says which share
of the sum of absolute scores the top examples carry: a list of ten examples explains a query only if the ten carry much of it (Grosse et al. 2023
fit power laws to these tails).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import spearman
from sonde.influence.agreement import foretold, refuse_unlike
from sonde.influence.results import Scores
from sonde.influence.retraining import RetrainTruth
from sonde.results import Drawing, InputError, Recipe, Result, shown

if TYPE_CHECKING:
    from polars import DataFrame

KS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Result):
    """How alike several scores of the same queries and examples are.

    Arguments:
        names: of the scores.
        agreement: the rank correlation over examples, mean over queries.
        overlap: the share of the k most helpful examples that two have in common, mean over queries.
        k: how many.
    """

    names: list[str]
    agreement: Float[Tensor, "name name"]
    overlap: Float[Tensor, "name name"]
    k: int

    def to_frame(self) -> "DataFrame":
        """One row per pair."""
        import polars as pl

        pairs = [(a, b) for a in range(len(self.names)) for b in range(a)]
        rows = [(self.names[a], self.names[b], float(self.agreement[a, b]), float(self.overlap[a, b])) for a, b in pairs]
        return pl.DataFrame(rows, ["first", "second", "agreement", "overlap"], orient="row")

    def drawing(self) -> Drawing:
        """Two matrices: of all examples, and of the most helpful ones."""
        from sonde.results.drawing import matrix, tabs

        def drawn(title: str, unit: str, values: Tensor) -> Drawing:
            return matrix(title, unit, values, row_name="scores", rows=self.names, col_name="scores", cols=self.names, limit=1.0, zero="chance")

        first = drawn("Do they rank all examples alike?", "rank correlation", self.agreement)
        second = drawn(f"Do they name the same {self.k} examples?", "share in common", self.overlap)
        return tabs("How alike are these scores?", [("all examples", first), (f"the top {self.k}", second)])


@dataclass(frozen=True, eq=False, repr=False)
class Concentration(Result):
    """Which share of the sum of absolute scores the strongest examples carry.

    Arguments:
        ks: how many examples.
        share: of the sum, for each query.
        queries: what they are, in a few words.
        n: how many examples there are.
    """

    ks: list[int]
    share: Float[Tensor, "k query"]
    queries: list[str]
    n: int

    def to_frame(self) -> "DataFrame":
        """One row per number of examples and query."""
        import polars as pl

        rows = [(k, q, float(self.share[i, q])) for i, k in enumerate(self.ks) for q in range(len(self.queries))]
        return pl.DataFrame(rows, ["top", "query", "share"], orient="row")

    def drawing(self) -> Drawing:
        """The mean over queries, and the queries with the most and the least."""
        from sonde.results.drawing import Series, lines

        middle, low, high = self.share.mean(1), self.share.amin(1), self.share.amax(1)
        even = Series("all examples alike", [k / self.n for k in self.ks])
        note = f"Mean over {len(self.queries)} queries; the band holds all of them."
        series = [Series("mean over queries", middle.tolist(), low.tolist(), high.tolist())]
        return lines(
            "How few examples carry the scores?", "share of the sum of |tau|", "top examples", self.ks, series, spacing="log", control=even, note=note
        )


@dataclass(frozen=True, eq=False, repr=False)
class Additivity(Result):
    """Whether the effect of leaving a group out is the sum of its members' scores.

    Arguments:
        foretold: the sum of tau / n over each group.
        effect: what leaving it out did.
        sizes: of the groups.
        slope: effect for one unit of what was foretold, for each size: 1 where scores add and have the right size.
        pearson: the correlation over queries and groups, for each size.
        queries: what they are, in a few words.
    """

    foretold: Float[Tensor, "group query"]
    effect: Float[Tensor, "group query"]
    sizes: list[int]
    slope: dict[int, float]
    pearson: dict[int, float]
    queries: list[str]

    def to_frame(self) -> "DataFrame":
        """One row per group and query."""
        import polars as pl

        q = len(self.queries)
        columns = {"foretold": self.foretold.flatten().cpu().numpy(), "effect": self.effect.flatten().cpu().numpy()}
        return pl.DataFrame({"size": [size for size in self.sizes for _ in range(q)], "query": list(range(q)) * len(self.sizes), **columns})

    def drawing(self) -> Drawing:
        """What was foretold against what happened, for each size of groups."""
        from sonde.results.drawing import scatter
        from sonde.results.drawing.points import MOST_POINTS, Points

        series = []
        each = MOST_POINTS // max(1, len(self.slope))
        for size, slope in self.slope.items():
            rows = [i for i, one in enumerate(self.sizes) if one == size]
            x, y = self.foretold[rows].flatten()[:each], self.effect[rows].flatten()[:each]
            series.append(Points(f"groups of {size} (slope {slope:.2f}, correlation {self.pearson[size]:.2f})", x.tolist(), y.tolist()))
        drawn = min(each, max(self.sizes.count(size) for size in self.slope) * len(self.queries))
        return scatter(
            "Do the influences of a group's members add?", "sum of tau / n, nats", "what leaving it out did, nats", series[:8], diagonal="they add",
            note=f"At most {drawn} pairs of group and query for each size.",
        )  # fmt: skip


def stability(scores: Mapping[str, Scores], k: int = 20) -> Stability:
    """How alike scores are, of several seeds, dampings or methods; no truth is looked at.

    Arguments:
        scores: by name, of the same queries and examples.
        k: of the most helpful examples whose overlap is told.

    Raises:
        InputError: fewer than two, or of different queries or examples.

    >>> from sonde.influence import CrossEntropy, fit
    >>> x, y = torch.randn(30, 4), torch.arange(30) % 3
    >>> found = fit(torch.nn.Linear(4, 3), (x, y), CrossEntropy())
    >>> both = {"a tenth": found.scores((x[:2], y[:2])), "all": found.with_damping(1.0).scores((x[:2], y[:2]))}
    >>> stability(both, k=5).agreement.shape
    torch.Size([2, 2])
    """
    if len(scores) < 2:
        raise InputError(f"{len(scores)} scores can't be compared: give two or more, by name")
    several = list(scores.values())
    first = several[0]
    for name, one in scores.items():
        if (one.queries, one.examples) != (first.queries, first.examples):
            raise InputError(f"the scores of {name!r} are of other queries or examples than those of {next(iter(scores))!r}: give scores of the same")
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= first.values.shape[1]:
        raise InputError(f"k={shown(k)}: give a number from 1 to {first.values.shape[1]}")
    values = torch.stack([one.values.double().cpu() for one in several])
    tops = torch.zeros_like(values).scatter_(-1, values.topk(k, dim=-1).indices, 1.0)
    agreement = torch.stack([spearman(one.expand_as(values), values).nanmean(1) for one in values])
    overlap = torch.einsum("aqe,bqe->ab", tops, tops) / (k * values.shape[1])
    recipe = Recipe.of(
        "sonde.influence.stability", {name: str(one.recipe) for name, one in scores.items()}, model_hash=first.recipe.model_hash,
        inputs=first.recipe.inputs_hash,
    )  # fmt: skip
    return Stability(list(scores), agreement, overlap, k, recipe=recipe)


def concentration(scores: Scores, ks: Sequence[int] = KS) -> Concentration:
    """Which share of the sum of absolute scores the strongest examples carry.

    Arguments:
        scores: of some queries.
        ks: how many examples; more than there are count as all.

    >>> from sonde.influence import CrossEntropy, fit
    >>> x, y = torch.randn(30, 4), torch.arange(30) % 3
    >>> concentration(fit(torch.nn.Linear(4, 3), (x, y), CrossEntropy()).scores((x[:2], y[:2]))).share[-1]
    tensor([1., 1.], dtype=torch.float64)
    """
    n = scores.values.shape[1]
    numbers = sorted({min(int(k), n) for k in ks} | {n})
    if numbers[0] < 1:
        raise InputError(f"ks={shown(ks)}: give numbers of examples from 1")
    sums = scores.values.double().cpu().abs().sort(1, descending=True).values.cumsum(1)
    share = (sums[:, [k - 1 for k in numbers]] / sums[:, -1:].clamp_min(torch.finfo(torch.float64).tiny)).T
    recipe = Recipe.of(
        "sonde.influence.concentration", {"of": str(scores.recipe)}, model_hash=scores.recipe.model_hash, inputs=scores.recipe.inputs_hash
    )
    return Concentration(numbers, share.contiguous(), scores.queries, n, recipe=recipe)


def random_groups(n: int, sizes: Sequence[int], draws: int, seed: int = 0) -> list[list[int]]:
    """Groups of examples to leave out, drawn at random.

    Arguments:
        n: how many examples there are.
        sizes: of the groups.
        draws: groups of each size.
        seed: of the draws.

    >>> [len(group) for group in random_groups(10, (1, 3), 2)]
    [1, 1, 3, 3]
    """
    if any(not 0 < size < n for size in sizes) or not sizes:
        raise InputError(f"sizes={shown(sizes)}: give sizes from 1 to {n - 1}")
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(n, generator=generator)[:size].tolist() for size in sizes for _ in range(draws)]


def additivity(scores: Scores, truth: RetrainTruth) -> Additivity:
    """Whether the effect of leaving groups out is the sum of their members' scores.

    Arguments:
        scores: of the truth's queries and examples.
        truth: of `retrain_without`, with groups of one or several sizes (`random_groups`).

    Raises:
        InputError: a truth of subsets, or scores of something else.
    """
    if truth.kind != "without":
        raise InputError("this truth trained on subsets: give the one of retrain_without, with groups")
    refuse_unlike(scores.method, scores, truth)
    told, effect = foretold(scores, truth), truth.target
    sizes = (~truth.members).sum(1).tolist()
    slope, pearson = {}, {}
    for size in sorted(set(sizes)):
        rows = [i for i, one in enumerate(sizes) if one == size]
        x, y = told[rows].flatten(), effect[rows].flatten()
        slope[size] = float((x * y).sum() / x.square().sum())
        pearson[size] = float(torch.corrcoef(torch.stack([x, y]))[0, 1])
    recipe = Recipe.of("sonde.influence.additivity", {"of": str(scores.recipe)}, model_hash=scores.recipe.model_hash, inputs=truth.recipe.inputs_hash)
    return Additivity(told, effect, sizes, slope, pearson, truth.queries, recipe=recipe)
