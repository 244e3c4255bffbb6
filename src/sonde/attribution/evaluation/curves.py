"""Places taken away, or put back, in the order of an attribution: does the metric fall, or rise, sooner than in a random order?

With x without the first share s of the order, and x with nothing but it,

    deletion(s) = F(x without s)             insertion(s) = F(x with s alone)                         (Petsiuk, Das and Saenko 2018)
    comprehensiveness = mean over s of F(x) - F(x without s)     sufficiency = mean over s of F(x) - F(x with s alone)   (DeYoung et al. 2020)

the last two over s = 1, 5, 10, 20 and 50 %. The *gain* is the area between insertion and deletion, as a share of F(x) - F(nothing): about 0 for
random orders, below it for an inverted one. Where a metric jumps by itself once inputs become unlikely, all four move for any order; what counts is
the distance to random orders, which are shown with every number.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Given
from sonde.attribution.evaluation.others import OtherExamples
from sonde.attribution.evaluation.removing import game
from sonde.attribution.places import places
from sonde.attribution.results import Attribution
from sonde.evidence import compare, no_gap, untestable
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, beside, lines

if TYPE_CHECKING:
    from polars import DataFrame

SHARES = tuple(i / 10 for i in range(11))
AOPC = (0.01, 0.05, 0.1, 0.2, 0.5)
LEAST_GAIN, SOURCE = 0.1, "a tenth of the gap between everything and nothing: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class Curves(Result):
    """The metric along an attribution's order and along random ones.

    Arguments:
        method: the attribution's method.
        removal: what stood for what was absent.
        unit: of the metric.
        shares: of places taken away or put back.
        deletion: the metric without the first places of the order.
        insertion: the metric with them alone.
        random_deletion: without the first places of random orders, each example with its own.
        random_insertion: with them alone.
        comprehensiveness: what is lost without the first places, the mean over 1, 5, 10, 20 and 50 % of them; the larger the better.
        sufficiency: what is lost with them alone; the smaller the better.
        random_comprehensiveness: of random orders.
        random_sufficiency: of random orders.
    """

    method: str
    removal: str
    unit: str
    shares: tuple[float, ...]
    deletion: Float[Tensor, "example share"]
    insertion: Float[Tensor, "example share"]
    random_deletion: Float[Tensor, "order example share"]
    random_insertion: Float[Tensor, "order example share"]
    comprehensiveness: Float[Tensor, " example"]
    sufficiency: Float[Tensor, " example"]
    random_comprehensiveness: Float[Tensor, "order example"]
    random_sufficiency: Float[Tensor, "order example"]

    @property
    def gap(self) -> Float[Tensor, " example"]:
        """What is lost with every place: F(x) - F(nothing)."""
        return self.deletion[:, 0] - self.deletion[:, -1]

    @property
    def gain(self) -> Float[Tensor, " example"]:
        """The area between insertion and deletion, over the mean gap: 1 would be everything with the first place; NaN without a gap."""
        return self._share(_area(self.insertion) - _area(self.deletion))

    @property
    def random_gain(self) -> Float[Tensor, "order example"]:
        """The same of random orders: about 0."""
        return self._share(_area(self.random_insertion) - _area(self.random_deletion))

    def areas(self) -> dict[str, Float[Tensor, " example"]]:
        """The areas under both curves, where 0 is the metric with nothing and 1 that with everything (their means over the examples)."""
        nothing = self.deletion[:, -1]
        return {name: self._share(_area(curve) - nothing) for name, curve in (("deletion", self.deletion), ("insertion", self.insertion))}

    def to_frame(self) -> "DataFrame":
        """One row per example and share."""
        import polars as pl

        n, m = self.deletion.shape
        return pl.DataFrame(
            {
                "example": [i for i in range(n) for _ in range(m)],
                "share": list(self.shares) * n,
                "deletion": self.deletion.flatten().tolist(),
                "insertion": self.insertion.flatten().tolist(),
                "random_deletion": self.random_deletion.mean(0).flatten().tolist(),
                "random_insertion": self.random_insertion.mean(0).flatten().tolist(),
            }
        )

    def drawing(self) -> Drawing:
        """Both curves, each over the band in which random orders fall."""
        note = f"What is absent is {self.removal}; means over {len(self.gap)} examples; random orders: the middle 95 % of their means."
        return beside(
            f"Does the metric follow the order of {self.method}?",
            [
                ("deletion", self._drawn("Without the first places", self.deletion, self.random_deletion)),
                ("insertion", self._drawn("With the first places alone", self.insertion, self.random_insertion)),
            ],
            note=note,
        )

    def _drawn(self, title: str, curve: Tensor, random: Tensor) -> Drawing:
        means = random.mean(1)
        low, high = means.quantile(torch.tensor([0.025, 0.975]), 0)
        series = [Series(self.method, curve.mean(0)), Series("random orders", means.mean(0), low, high)]
        return lines(title, self.unit, "share of the places", [f"{share:.0%}" for share in self.shares], series)

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Whether the order is better than random ones; nothing is computed again."""
        self.refuse_other(model)
        claim = f"{self.method[:1].upper() + self.method[1:]} ranks places better than random orders do."
        measure = f"area between insertion and deletion, share of the gap (what is absent is {self.removal}); control: random orders"
        reason = no_gap(self.deletion[:, 0], self.deletion[:, -1])
        if reason:
            return [untestable(claim, measure, reason, threshold=LEAST_GAIN, threshold_source=SOURCE)]
        # each example has random orders of its own, so that their mean stands for the example
        return [compare(claim, measure, self.gain, self.random_gain.mean(0), threshold=LEAST_GAIN, threshold_source=SOURCE)]

    def _share(self, amounts: Tensor) -> Tensor:
        """As shares of the gap, one for all examples: shares of single gaps would let the smallest rule. NaN where there is none."""
        if no_gap(self.deletion[:, 0], self.deletion[:, -1]):
            return torch.full_like(amounts, torch.nan)
        return amounts / self.gap.mean()


def curves(
    model: Model,
    task: Any,
    attribution: Attribution,
    of: Metric | None = None,
    *,
    removal: Given | None = None,
    orders: int = 8,
    seed: int = 0,
) -> Curves:
    """Take places away, and put them back, in the order of an attribution and in random ones.

    Arguments:
        model: the model.
        task: the task or inputs that the attribution explains.
        attribution: of any method and kind of places; signed values are ranked as they are, the highest first.
        of: for inputs, the metric.
        removal: what stands for what is absent, not what the method itself put there; by default what other examples hold.
        orders: random orders for each example.
        seed: of the random orders.

    Raises:
        InputError: the method's own removal, no random order, or inputs that don't fit.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=2)
    >>> attribution = sonde.attribution.gradient_x_input(model, task)
    >>> curves(model, task, attribution, removal=" dog", orders=1).deletion.shape
    torch.Size([2, 11])
    """
    if orders < 1:
        raise InputError(f"orders={orders}: without random orders a curve says nothing; give at least 1")
    played = game(model, task, of, attribution, OtherExamples() if removal is None else removal)
    generator = torch.Generator().manual_seed(seed)
    plans, sets = [], []
    for example in range(len(attribution)):
        values, _ = places(attribution, example)
        if not len(values):
            raise InputError(f"example {example} has no place that can be taken away: all of its tokens are special")
        drawn = [torch.randperm(len(values), generator=generator) for _ in range(orders)]
        plan = _Plan(torch.stack([values.argsort(descending=True, stable=True), *drawn]))
        plans.append(plan)
        sets.append(plan.sets())
    without, alone = zip(*[plan.read(metric) for plan, metric in zip(plans, played(sets), strict=True)], strict=True)
    deleted, inserted = torch.stack(without, 1), torch.stack(alone, 1)  # order example share
    cut = len(SHARES)
    whole = deleted[:, :, :1]
    lost, missing = ((whole - part[:, :, cut:]).mean(-1) for part in (deleted, inserted))
    return Curves(
        attribution.method, played.baseline.described(played.question), attribution.unit, SHARES,
        deletion=deleted[0, :, :cut], insertion=inserted[0, :, :cut], random_deletion=deleted[1:, :, :cut], random_insertion=inserted[1:, :, :cut],
        comprehensiveness=lost[0], sufficiency=missing[0], random_comprehensiveness=lost[1:], random_sufficiency=missing[1:],
        recipe=Recipe.of(
            "sonde.attribution.evaluation.curves", {"attribution": attribution.recipe.function, "removal": removal, "orders": orders},
            model_hash=model.hash, inputs=[attribution.recipe.inputs_hash, attribution.values.nan_to_num()], seed=seed,
        ),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Plan:
    """The sets of one example that all curves need: in each order, the first k places absent, or present alone."""

    orders: Int[Tensor, "order place"]

    @property
    def counts(self) -> Int[Tensor, " share"]:
        """How many places belong to each share: at least one to every share above 0."""
        n = self.orders.shape[1]
        return torch.tensor([0 if share == 0 else max(1, round(share * n)) for share in (*SHARES, *AOPC)])

    def sets(self) -> Bool[Tensor, "set place"]:
        first = self.orders.argsort(-1)[:, None] < self.counts[:, None]  # order share place
        return torch.cat([~first.flatten(0, 1), first.flatten(0, 1)])

    def read(self, metric: Float[Tensor, " set"]) -> tuple[Float[Tensor, "order share"], Float[Tensor, "order share"]]:
        without, alone = metric.view(2, len(self.orders), -1)
        return without, alone


def _area(curve: Float[Tensor, "... share"]) -> Float[Tensor, "..."]:
    """The mean height of a curve over evenly spaced shares, by trapezoids."""
    return (curve[..., 1:] + curve[..., :-1]).mean(-1) / 2
