"""Do two circuits share more than they would by chance, and does one task reuse the parts of another?

Chance is a null model, and which one matters. With a and b members among N, random sets share a b / N, and the shared number is hypergeometric. But
circuits look alike for reasons of their own: most edges are late, and few parts carry much. So the same is asked within the pairs of layers (as many
edges from each block to each block, drawn within it), and with circuits whose edges are drawn with chances by how many their ends have in the second.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph
from sonde.circuits import pictures
from sonde.circuits.circuit import Circuit, same_graph
from sonde.circuits.results import EdgeScores
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import bars, table

if TYPE_CHECKING:
    from polars import DataFrame

Null = Literal["uniform", "layers", "degrees"]
DRAWS = 200  # of circuits with given degrees


@dataclass(frozen=True)
class Overlap:
    """What two sets share, under one idea of chance.

    Arguments:
        level: what is counted, edges or nodes.
        null: the idea of chance.
        a, b, shared, possible: members of each, of both, and of all that could be.
        expected: how many are shared by chance.
        p: how often at least as many are.
    """

    level: Literal["edges", "nodes"]
    null: Null
    a: int
    b: int
    shared: int
    possible: int
    expected: float
    p: float

    @property
    def jaccard(self) -> float:
        """What both have over what either has."""
        either = self.a + self.b - self.shared
        return self.shared / either if either else 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Two circuits of one graph, side by side.

    Arguments:
        names: of the two.
        overlaps: by level and null.
        weighted: the sum of the smaller over the sum of the larger of the absolute scores, each circuit's scaled to sum to 1; `None` without scores.
        circuits: the two.
    """

    names: tuple[str, str]
    overlaps: list[Overlap]
    weighted: float | None
    circuits: tuple[Circuit, Circuit]

    def to_frame(self) -> "DataFrame":
        """One row per level and null."""
        import polars as pl

        rows = [vars(one) | {"jaccard": one.jaccard} for one in self.overlaps]
        return pl.DataFrame(rows).with_columns(first=pl.lit(self.names[0]), second=pl.lit(self.names[1]))

    def drawing(self) -> Drawing:
        """Both circuits in one graph: what they share, and what one has alone."""
        edges = self.overlaps[0]
        note = "; ".join(f"{one.level}: {one.shared} shared, {one.expected:.1f} by chance ({one.null}), p {one.p:.2g}" for one in self.overlaps)
        first, second = zip(self.names, self.circuits, strict=True)
        return pictures.pair(first, second, note=f"Jaccard index of the edges {edges.jaccard:.3f}; {note}")

    def table(self) -> Drawing:
        """The overlaps as a table."""
        frame = self.to_frame().select("level", "null", "a", "b", "shared", "possible", "expected", "p", "jaccard")
        return table("Do they share more than by chance?", frame.columns, frame.rows())


def compare(first: Circuit, second: Circuit, names: tuple[str, str] | None = None, seed: int = 0) -> Comparison:
    """Compare two circuits.

    Arguments:
        first, second: of one graph.
        names: of the two; by default how they were found.
        seed: of the circuits drawn by degree.

    Raises:
        InputError: circuits of different graphs.
    """
    same_graph(first.graph, second.graph)
    graph = first.graph
    real = graph.real
    nodes = graph.sender_layer >= 0
    layers = graph.sender_layer[:, None] * 1000 + graph.receiver_layer[None]
    edges = [_overlap("edges", null, first.mask[real], second.mask[real], layers[real]) for null in ("uniform", "layers")]
    of_nodes = [
        _overlap("nodes", null, first.mask.any(1)[nodes], second.mask.any(1)[nodes], graph.sender_layer[nodes]) for null in ("uniform", "layers")
    ]
    names = names or ((first.method, second.method) if first.method != second.method else ("first", "second"))
    return Comparison(
        names, [*edges, _by_degree(graph, first.mask, second.mask, seed), *of_nodes], _weighted(first, second), (first, second),
        recipe=Recipe.of("sonde.circuits.compare", {"names": names}, model_hash=first.recipe.model_hash, inputs=[first.mask, second.mask], seed=seed),
    )  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Reuse(Result):
    """Which parts of one task's circuit another task's has as well.

    Arguments:
        names: of the tasks.
        shared: the parts that both have, and those of the first alone.
        share: how much of the first is in the second.
        low, high: the ends of its 95 % interval, over the examples of both.
        expected: how much would be by chance: as many parts in each layer, drawn at random.
    """

    names: tuple[str, str]
    shared: tuple[tuple[str, ...], tuple[str, ...]]
    share: float
    low: float
    high: float
    expected: float

    def to_frame(self) -> "DataFrame":
        """One row."""
        import polars as pl

        return pl.DataFrame(
            {
                "first": [self.names[0]], "second": [self.names[1]], "share": [self.share], "low": [self.low], "high": [self.high],
                "expected": [self.expected],
            }
        )  # fmt: skip

    def drawing(self) -> Drawing:
        """The share, beside chance."""
        return bars(
            f"How much of {self.names[0]} is in {self.names[1]}?", "share of the parts", ["shared", "by chance"], [self.share, self.expected],
            intervals=[(self.low, self.high), None], note=f"both have {', '.join(self.shared[0]) or 'none'}",
        )  # fmt: skip


def reuse(first: EdgeScores, second: EdgeScores, k: int, n: int = 200, seed: int = 0) -> Reuse:
    """How much of the parts in the first task's k strongest edges is in the second's (Merullo, Eickhoff and Pavlick 2024).

    Arguments:
        first, second: scores of one graph on two tasks, with the scores of each example.
        k: edges of each circuit.
        n: draws of the examples for the interval.
        seed: of the draws.

    Raises:
        InputError: scores of different graphs, or without those of each example.
    """
    same_graph(first.graph, second.graph)
    graph, here = first.graph, first.graph.sender_layer >= 0
    one, other = (scores.top(k).mask.any(1) & here for scores in (first, second))
    if not one.any():
        raise InputError(f"the {k} strongest edges of {first.conditions.task} connect no parts: take more")
    draws = [[_part_of(scores, values, k) & here for values in scores.resampled(n, seed + i)] for i, scores in enumerate((first, second))]
    shares = torch.tensor([float((a & b).sum() / a.sum().clamp(min=1)) for a, b in zip(*draws, strict=True)], dtype=torch.float64)
    low, high = shares.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    chance = _overlap("nodes", "layers", one[here], other[here], graph.sender_layer[here])
    both, alone = (tuple(name for name, has in zip(graph.senders, mask.tolist(), strict=True) if has) for mask in (one & other, one & ~other))
    return Reuse(
        (first.conditions.task, second.conditions.task), (both, alone), float((one & other).sum() / one.sum()), low, high, chance.expected / chance.a,
        recipe=Recipe.of(
            "sonde.circuits.reuse", {"k": k, "n": n}, model_hash=first.recipe.model_hash, inputs=[first.values, second.values], seed=seed
        ),
    )  # fmt: skip


def _part_of(scores: EdgeScores, values: Tensor, k: int) -> Tensor:
    return replace(scores, values=values).top(k).mask.any(1)


def _overlap(level: Literal["edges", "nodes"], null: Null, one: Tensor, other: Tensor, strata: Tensor) -> Overlap:
    """The shared number within each stratum is hypergeometric; their sum is the strata's convolution."""
    import numpy as np
    from scipy.stats import hypergeom

    a, b, shared, possible = int(one.sum()), int(other.sum()), int((one & other).sum()), len(one)
    chances, expected = np.ones(1), 0.0
    for stratum in strata.unique() if null == "layers" else [None]:
        here = torch.ones_like(one) if stratum is None else strata == stratum
        own, theirs, all_ = int((one & here).sum()), int((other & here).sum()), int(here.sum())
        if own and theirs:
            chances = np.convolve(chances, hypergeom(all_, own, theirs).pmf(np.arange(min(own, theirs) + 1)))
            expected += own * theirs / all_
    return Overlap(level, null, a, b, shared, possible, expected, float(min(1.0, chances[shared:].sum())))


def _by_degree(graph: Graph, one: Tensor, other: Tensor, seed: int) -> Overlap:
    """Circuits as large as the second, whose edges are drawn with chances by how many edges its parts have."""
    real = graph.real
    chances = (other.sum(1).float()[:, None] * other.sum(0).float()[None])[real]
    b, mine = int(other.sum()), one[real]
    generator = torch.Generator().manual_seed(seed)
    shared = torch.zeros(DRAWS)
    for i in range(DRAWS if b else 0):
        # the largest of log chance plus Gumbel noise are a draw without replacement
        noise = -(-torch.rand(len(chances), generator=generator).clamp(min=1e-20).log()).log()
        drawn = (chances.log() + noise).topk(b).indices
        shared[i] = mine[drawn].sum()
    found = int((one & other).sum())
    return Overlap("edges", "degrees", int(one.sum()), b, found, len(chances), float(shared.mean()), _p(found, shared))


def _p(found: int, drawn: Float[Tensor, " draw"]) -> float:
    return (1 + int((drawn >= found).sum())) / (1 + len(drawn))


def _weighted(first: Circuit, second: Circuit) -> float | None:
    if first.weights is None or second.weights is None:
        return None
    one, other = (circuit.weights.abs().nan_to_num(0.0) * circuit.mask for circuit in (first, second) if circuit.weights is not None)
    if not (one.any() and other.any()):
        return None
    one, other = one / one.sum(), other / other.sum()
    return float(torch.minimum(one, other).sum() / torch.maximum(one, other).sum())
