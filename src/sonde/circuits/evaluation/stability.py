"""Would other examples, or another seed, give the same circuit?"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.circuits.circuit import Circuit, same_graph
from sonde.circuits.ranking import strengths, strongest
from sonde.circuits.results import EdgeScores
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import violins

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Result):
    """How much of a circuit is found again.

    Arguments:
        jaccard: shared edges over all edges, one for each pair that was compared.
        edges: how often each edge was found, a share of the circuits.
        what: what was compared.
        by_chance: the Jaccard index that circuits of this size drawn at random have in the mean.
    """

    jaccard: Float[Tensor, " pair"]
    edges: Float[Tensor, "sender receiver"]
    what: str
    by_chance: float

    @property
    def mean(self) -> float:
        """The mean Jaccard index."""
        return float(self.jaccard.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Where the middle 95 % of the pairs lie."""
        low, high = self.jaccard.double().quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        return low, high

    def to_frame(self) -> "DataFrame":
        """One row per pair."""
        import polars as pl

        return pl.DataFrame({"jaccard": self.jaccard.tolist()}).with_columns(what=pl.lit(self.what), by_chance=pl.lit(self.by_chance))

    def drawing(self) -> Drawing:
        """The spread of the pairs."""
        note = f"{self.what}; circuits of this size drawn at random share {self.by_chance:.3f}"
        return violins("Is the same circuit found again?", "Jaccard index of the edges", ["pairs"], [self.jaccard.tolist()], note=note)


def stability(scores: EdgeScores, k: int, n: int = 100, signed: bool = False, seed: int = 0) -> Stability:
    """Draw the examples again with replacement, take the k strongest edges each time, and compare with those of all examples.

    Arguments:
        scores: with the scores of each example.
        k: edges of each circuit.
        n: how many draws.
        signed: whether edges that stand against the answer count as the weakest.
        seed: of the draws.

    Raises:
        InputError: the scores of the examples were not kept.
    """
    whole = strongest(scores.strengths(signed), k)
    drawn = torch.stack([strongest(strengths(scores.graph, values, signed, scores.conditions.sign), k) for values in scores.resampled(n, seed)])
    return Stability(
        jaccards(drawn, whole.expand_as(drawn)), drawn.float().mean(0),
        f"the {k:,} strongest edges by {scores.method}, {n} draws of {scores.n} examples beside all of them", _by_chance(k, k, scores.graph.n_edges),
        recipe=Recipe.of(
            "sonde.circuits.stability", {"method": scores.method, "k": k, "n": n, "signed": signed}, model_hash=scores.recipe.model_hash,
            inputs=[scores.values], seed=seed,
        ),
    )  # fmt: skip


def stability_of(circuits: Sequence[Circuit]) -> Stability:
    """Compare circuits that were found with different seeds, or on different draws of examples, pair by pair.

    Arguments:
        circuits: at least two, of one graph.

    Raises:
        InputError: fewer, or circuits of different graphs.
    """
    if len(circuits) < 2:
        raise InputError(f"{len(circuits)} circuit has nothing to be compared with: give at least two")
    for one in circuits[1:]:
        same_graph(circuits[0].graph, one.graph)
    masks = torch.stack([one.mask for one in circuits])
    pairs = torch.tensor(list(itertools.combinations(range(len(circuits)), 2)))
    size = round(sum(one.n_edges for one in circuits) / len(circuits))
    return Stability(
        jaccards(masks[pairs[:, 0]], masks[pairs[:, 1]]), masks.float().mean(0), f"{len(circuits)} circuits, pair by pair",
        _by_chance(size, size, circuits[0].graph.n_edges),
        recipe=Recipe.of("sonde.circuits.stability_of", {"n": len(circuits)}, model_hash=circuits[0].recipe.model_hash, inputs=masks),
    )  # fmt: skip


def jaccards(one: Tensor, other: Tensor) -> Float[Tensor, " pair"]:
    """What pairs of sets share, over what either has; 1 for two empty sets.

    Arguments:
        one, other: pair sender receiver.
    """
    both, either = (one & other).sum((1, 2)).double(), (one | other).sum((1, 2)).double()
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def _by_chance(a: int, b: int, n: int) -> float:
    """The share of what two random sets of these sizes have in common: the expected overlap over what is left of the union."""
    overlap = a * b / n
    return overlap / (a + b - overlap) if a + b else 1.0
