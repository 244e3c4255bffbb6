"""Cross-entropy can prefer a neuron that stands for several things: one binary neuron, four things, and which of them it fires on.

A neuron N that fires on a set of things leaves the cross-entropy H(X | N) = H(X) - H(N): the best set is the one whose probability is closest to one
half. With P(A) = p, and q = (1 - p) / 3 for each of B, C and D,

    A alone          3 q ln 3
    A with another   p ln((p + q) / p) + q ln((p + q) / q) + 2 q ln 2

are equal where p = 2 q, that is at p = .4. Four equally likely things cost 3/4 ln 3 = .82 nats with a neuron for A alone, and ln 2 = .69 with a
neuron for two: here polysemantic neurons come from the loss, not from a want of dimensions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sonde.evidence import compare
from sonde.nn.training import Training, TrainingConfig
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash
from sonde.results.drawing import Series, lines, matrix, tabs

if TYPE_CHECKING:
    from polars import DataFrame

THINGS = ("A", "B", "C", "D")
PROBABILITIES = tuple(round(0.2 + 0.02 * i, 2) for i in range(21))
DRAWS = 50


@dataclass(frozen=True, eq=False, repr=False)
class SplitPreference(Result):
    """What one binary neuron learns to fire on; made by `split_preference`.

    Arguments:
        p: the probability of A; the others share the rest.
        alone: the cross-entropy that is left by a neuron for A alone, in nats.
        pairs: by a neuron for A and another thing.
        best: the cheapest set of all, by trying each.
        found: the set of the best trained bottleneck, written with A in it.
        loss: of that bottleneck.
    """

    p: Float[Tensor, " case"]
    alone: Float[Tensor, " case"]
    pairs: Float[Tensor, " case"]
    best: tuple[str, ...]
    found: tuple[str, ...]
    loss: Float[Tensor, " case"]

    @property
    def switch(self) -> float | None:
        """Half way between the last p at which the trained neuron fires on two things and the first above it at which it fires on A alone.

        `None` where it does not go over once from the one to the other.
        """
        single = [len(one) == 1 for one in self.found]
        first = single.index(True) if True in single else 0
        if not first or not all(single[first:]):
            return None
        return float(self.p[first - 1] + self.p[first]) / 2

    def to_frame(self) -> "DataFrame":
        """One row for each probability of A."""
        import polars as pl

        rows = zip(self.p.tolist(), self.found, self.best, self.alone.tolist(), self.pairs.tolist(), self.loss.tolist(), strict=True)
        return pl.DataFrame(list(rows), ["p", "found", "best", "cost_alone", "cost_pairs", "loss"], orient="row")

    def drawing(self) -> Drawing:
        """Both costs and the trained neuron's, by the probability of A; and what it fires on."""
        series = [Series("A alone", self.alone), Series("A and another", self.pairs), Series("trained", self.loss)]
        costs = lines("What is cheaper?", "cross-entropy, nats", "P(A)", self.p.tolist(), series, spacing="linear", note="The costs are equal at .4.")
        fires = [[float(thing in one) for one in self.found] for thing in THINGS]
        sets = matrix(
            "What does the neuron fire on?", "fires", fires, row_name="thing", rows=THINGS, col_name="P(A)", cols=self.p.tolist(), limit=1.0
        )
        return tabs("When does one neuron stand for two things?", [("costs", costs), ("neuron", sets)])

    def check(self, seed: int = 0) -> list[Verdict]:  # type: ignore[override]
        """Whether training finds the cheaper kind of set, beside the same sets under probabilities drawn at random.

        Arguments:
            seed: of the draws.
        """
        found, best = (torch.tensor([len(one) for one in sets]) for sets in (self.found, self.best))
        generator = torch.Generator().manual_seed(seed)
        shuffled = torch.stack([(found[torch.randperm(len(found), generator=generator)] == best).double() for _ in range(DRAWS)])
        return [
            compare(
                "Training finds the set that leaves the least cross-entropy.", "share of the probabilities", (found == best).double(), shuffled,
                exceeding="draw", threshold=0.9, threshold_source="nine of ten: at .4 both cost the same",
            )
        ]  # fmt: skip


def split_costs(probabilities: Sequence[float]) -> dict[str, float]:
    """The cross-entropy that is left by a neuron for each set of things, in nats; a set and its complement are one, written with the first thing.

    Arguments:
        probabilities: of the things, which are called A, B, ...; they add up to 1.

    Raises:
        InputError: fewer than two things, or numbers that are no probabilities.

    >>> costs = split_costs([0.25] * 4)
    >>> round(costs["A"], 2), round(costs["AB"], 2)
    (0.82, 0.69)
    """
    if not 2 <= len(probabilities) <= 20 or min(probabilities) < 0 or not math.isclose(sum(probabilities), 1.0, abs_tol=1e-9):
        raise InputError(f"probabilities {list(probabilities)}: give 2 to 20 that add up to 1")
    names = [chr(ord("A") + i) for i in range(len(probabilities))]
    others = range(1, len(names))
    sets = [(0, *rest) for k in range(len(others)) for rest in combinations(others, k)]
    return {"".join(names[i] for i in one): _left(probabilities, one) for one in sets}


def split_preference(
    p: Sequence[float] = PROBABILITIES, seeds: int = 12, steps: int = 300, seed: int = 0,
) -> SplitPreference:  # fmt: skip
    """Train a bottleneck of one binary neuron for several probabilities of A, all at once, and compare what it fires on with the exact costs.

    Arguments:
        p: the probabilities of A, increasing.
        seeds: bottlenecks of each; the best counts.
        steps: updates.
        seed: of the weights.

    Raises:
        InputError: a probability that is not between 0 and 1, or not larger than the one before.

    >>> split_preference([0.3, 0.5]).found[1]
    'A'
    """
    if not p or not all(0 < one < 1 for one in p) or list(p) != sorted(set(p)) or min(seeds, steps) < 1:
        raise InputError(f"probabilities {list(p)}, seeds={seeds}, steps={steps}: give increasing numbers between 0 and 1, and at least one of each")
    given = torch.tensor([[one, *[(1 - one) / 3] * 3] for one in p], dtype=torch.float64)
    model = _Bottleneck(len(p), seeds, torch.Generator().manual_seed(seed))
    config = TrainingConfig(steps, 0.1, (0.9, 0.999), 0.0, float("inf"), warmup_steps=0)
    training = Training(model, config)
    while training.step < steps:
        training.update(model.losses(given).sum())
    with torch.no_grad():
        losses = model.losses(given)
        fires = model.fires()[torch.arange(len(p)), losses.argmin(1)]
    costs = [split_costs(row) for row in given.tolist()]
    found = tuple("".join(name for name, on in zip(THINGS, row, strict=True) if on) for row in fires.tolist())
    arguments = {"p": list(p), "seeds": seeds, "steps": steps}
    weights = content_hash(model.state_dict())
    recipe = Recipe.of("sonde.superposition.split_preference", arguments, model_hash=weights, inputs=given, seed=seed)
    best = tuple(min(one, key=one.__getitem__) for one in costs)
    alone, pairs = (torch.tensor([one[name] for one in costs], dtype=torch.float64) for name in ("A", "AB"))
    return SplitPreference(given[:, 0], alone, pairs, best, found, losses.min(1).values, recipe=recipe)


class _Bottleneck(nn.Module):
    """A neuron that fires on each thing with a probability of its own, and a guess at the thing for both of its states."""

    def __init__(self, cases: int, seeds: int, generator: torch.Generator) -> None:
        super().__init__()
        self.neuron = nn.Parameter(torch.randn(cases, seeds, 4, generator=generator, dtype=torch.float64))
        self.guess = nn.Parameter(torch.randn(cases, seeds, 2, 4, generator=generator, dtype=torch.float64))

    def losses(self, probabilities: Float[Tensor, "case 4"]) -> Float[Tensor, "case seed"]:
        """The expected cross-entropy of the guess, exactly."""
        on = self.neuron.sigmoid()
        surprise = -self.guess.log_softmax(-1)
        expected = (torch.stack([on, 1 - on], dim=2) * surprise).sum(2)
        return (probabilities[:, None] * expected).sum(-1)

    def fires(self) -> Bool[Tensor, "case seed 4"]:
        """What the neuron fires on, its states called so that it fires on the first thing."""
        on = self.neuron > 0
        return on == on[..., :1]


def _left(probabilities: Sequence[float], chosen: Sequence[int]) -> float:
    """H(X | N) of a neuron that fires on some things."""
    left = 0.0
    for members in (set(chosen), set(range(len(probabilities))) - set(chosen)):
        whole = sum(probabilities[i] for i in members)
        left += sum(probabilities[i] * math.log(whole / probabilities[i]) for i in members if probabilities[i] > 0)
    return left
