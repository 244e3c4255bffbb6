"""Robust fidelity: an explanation is thinned out instead of cut away, so that the model stays among inputs that it knows.

With E the explanation (the first share of an attribution's places) and R the rest,

    plus  = F(x) - E[F(x without a sample of E, each place taken with probability alpha1)]         needed: the larger the better
    minus = F(x) - E[F(E and a sample of R, each place kept with probability alpha2)]              enough: the smaller the better
    delta = plus - minus

(Zheng et al. 2024, "Towards robust fidelity for evaluating explainability of graph neural networks".) alpha1 = 1, alpha2 = 0 are the plain
definitions, which take all of E, or all of R, away at once: then the metric may move because the input has become unlikely, whatever E holds. With
the authors' alpha1 = 0.1, alpha2 = 0.9 effects are small, so that standard errors belong to them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Given
from sonde.attribution.evaluation.others import OtherExamples
from sonde.attribution.evaluation.removing import game
from sonde.attribution.places import places
from sonde.attribution.results import Attribution
from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import bars

if TYPE_CHECKING:
    from polars import DataFrame

SOURCE = "an explanation that is needed no more than it is enough says nothing"


@dataclass(frozen=True, eq=False, repr=False)
class RobustFidelity(Result):
    """Whether an explanation is needed and enough, by thinning it and the rest.

    Arguments:
        method: the attribution's method.
        removal: what stood for what was absent.
        unit: of the metric.
        alpha1: the chance with which a place of the explanation is taken away.
        alpha2: the chance with which a place of the rest is kept.
        plus: what is lost when the explanation is thinned.
        minus: what is lost when the rest is.
        plus_error: the standard error of each over its samples.
        minus_error: the standard error of each over its samples.
        random_plus: of random explanations of the same size.
        random_minus: of random explanations of the same size.
    """

    method: str
    removal: str
    unit: str
    alpha1: float
    alpha2: float
    plus: Float[Tensor, " example"]
    minus: Float[Tensor, " example"]
    plus_error: Float[Tensor, " example"]
    minus_error: Float[Tensor, " example"]
    random_plus: Float[Tensor, "order example"]
    random_minus: Float[Tensor, "order example"]

    @property
    def delta(self) -> Float[Tensor, " example"]:
        """Plus minus minus."""
        return self.plus - self.minus

    @property
    def random_delta(self) -> Float[Tensor, "order example"]:
        """The same of random explanations."""
        return self.random_plus - self.random_minus

    def to_frame(self) -> "DataFrame":
        """One row per example."""
        import polars as pl

        columns = {
            "example": list(range(len(self.plus))),
            "plus": self.plus.tolist(),
            "plus_error": self.plus_error.tolist(),
            "minus": self.minus.tolist(),
            "minus_error": self.minus_error.tolist(),
            "delta": self.delta.tolist(),
            "random_delta": self.random_delta.mean(0).tolist(),
        }
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """Plus, minus and their difference as bars, each over all examples, beside those of random explanations."""
        pairs = [("needed (plus)", self.plus, self.random_plus), ("not enough (minus)", self.minus, self.random_minus)]
        pairs.append(("plus - minus", self.delta, self.random_delta))
        labels = [f"{name}{', random' if k else ''}" for name, _, _ in pairs for k in range(2)]
        means = [float(side.mean()) for _, own, random in pairs for side in (own, random)]
        note = f"What is absent is {self.removal}; alpha1 = {self.alpha1:g}, alpha2 = {self.alpha2:g}; means over {len(self.plus)} examples."
        return bars(f"Is what {self.method} names needed and enough?", self.unit, labels, means, zero="nothing lost", note=note)

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Whether the explanation is needed and enough more than random ones; nothing is computed again."""
        self.refuse_other(model)
        claim = f"What {self.method} names is needed, and enough, more than random places."
        measure = (
            f"robust fidelity, plus - minus, in {self.unit} (alpha1 {self.alpha1:g}, alpha2 {self.alpha2:g}; what is absent is {self.removal}); "
            "control: random places, as many"
        )
        return [compare(claim, measure, self.delta, self.random_delta.mean(0), threshold=0.0, threshold_source=SOURCE)]


def robust_fidelity(
    model: Model,
    task: Any,
    attribution: Attribution,
    of: Metric | None = None,
    *,
    removal: Given | None = None,
    share: float = 0.2,
    alpha1: float = 0.1,
    alpha2: float = 0.9,
    samples: int = 50,
    orders: int = 4,
    seed: int = 0,
) -> RobustFidelity:
    """Measure whether the first places of an attribution are needed and enough, by thinning them and the rest.

    Arguments:
        model: the model.
        task: the task or inputs that the attribution explains.
        attribution: of any method and kind of places; places taken together (words, patches, groups of columns) are drawn together.
        of: for inputs, the metric.
        removal: what stands for what is absent, not what the method itself put there; by default what other examples hold.
        share: of places that count as the explanation.
        alpha1: the chance with which a place of the explanation is taken away; 1 for the plain definition.
        alpha2: the chance with which a place of the rest is kept; 0 for the plain definition.
        samples: of each kind.
        orders: random explanations for each example.
        seed: of everything drawn.

    Raises:
        InputError: the method's own removal, chances outside 0 to 1, or too few samples.

    >>> import sonde
    >>> model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(4, 2)))
    >>> rows, metric = torch.randn(3, 4), sonde.tasks.Logit([0])
    >>> linear = sonde.attribution.gradient_x_input(model, rows, of=metric)
    >>> robust_fidelity(model, rows, linear, metric, removal="zero", samples=4).plus.shape
    torch.Size([3])
    """
    if not (0 <= alpha1 <= 1 and 0 <= alpha2 <= 1 and 0 < share < 1 and samples >= 2 and orders >= 1):
        raise InputError(
            f"alpha1={alpha1}, alpha2={alpha2}, share={share}, samples={samples}, orders={orders}: chances lie from 0 to 1, the share between them; "
            "give at least 2 samples and 1 random order"
        )
    played = game(model, task, of, attribution, OtherExamples() if removal is None else removal)
    generator = torch.Generator().manual_seed(seed)
    sets = []
    for example in range(len(attribution)):
        values, _ = places(attribution, example)
        if len(values) < 2:
            raise InputError(f"example {example} has {len(values)} places: an explanation and a rest need two")
        size = min(max(1, round(share * len(values))), len(values) - 1)
        orders_ = [values.argsort(descending=True, stable=True), *(torch.randperm(len(values), generator=generator) for _ in range(orders))]
        named = torch.stack([order.argsort() < size for order in orders_])
        sets.append(_thinned(named, alpha1, alpha2, samples, generator))
    whole = played.metric[:, None, None, None]
    lost = whole - torch.stack(played(sets)).view(len(sets), 2, orders + 1, samples)
    mean, error = lost.mean(-1), lost.std(-1) / samples**0.5
    arguments = {"attribution": attribution.recipe.function, "removal": removal, "share": share, "alpha1": alpha1, "alpha2": alpha2}
    return RobustFidelity(
        attribution.method, played.baseline.described(played.question), attribution.unit, alpha1, alpha2,
        plus=mean[:, 0, 0], minus=mean[:, 1, 0], plus_error=error[:, 0, 0], minus_error=error[:, 1, 0],
        random_plus=mean[:, 0, 1:].T, random_minus=mean[:, 1, 1:].T,
        recipe=Recipe.of(
            "sonde.attribution.evaluation.robust_fidelity", arguments | {"samples": samples, "orders": orders}, model_hash=model.hash,
            inputs=[attribution.recipe.inputs_hash, attribution.values.nan_to_num()], seed=seed,
        ),
    )  # fmt: skip


def _thinned(
    named: Bool[Tensor, "order place"], alpha1: float, alpha2: float, samples: int, generator: torch.Generator
) -> Bool[Tensor, "set place"]:  # fmt: skip
    """Which places are present: the explanation thinned and the rest whole, then the explanation whole and the rest thinned."""
    taken, kept = torch.rand(2, len(named), samples, named.shape[1], generator=generator)
    # rand lies in [0, 1), so that a chance of 1 always and one of 0 never comes true
    without = ~(named[:, None] & (taken < alpha1))
    alone = named[:, None] | (kept < alpha2)
    return torch.stack([without, alone]).flatten(0, 2)
