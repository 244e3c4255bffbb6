"""Do the values add up? What an attribution says that sets of places are worth, beside what the model loses without them.

For a random set S of places, with x' the input without it,

    claimed(S) = sum of phi over S            measured(S) = F(x) - F(x')

    infidelity     = E[(claimed - measured)^2]                                                   (Yeh et al. 2019, equation 1)
    sensitivity-n  = correlation of claimed and measured over sets of n places                    (Ancona et al. 2018)

Infidelity is in the metric's unit, squared; a method that is right but for a factor is told by `scale`, the factor that would serve it best, and
`scaled`, what is left then. Both are meant for methods that claim contributions (values in the metric's unit, that stand for taking a place away),
and of those none is obliged to add up over sets where places interact: no attribution has infidelity 0 on XOR.
"""

from collections.abc import Sequence
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
from sonde.evidence import compare, untestable
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
LEAST, SOURCE = 0.3, "less than a tenth of the differences (the square of 0.3) would be explained: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class Sums(Result):
    """What sets of places are said to be worth, and what the model loses without them.

    Arguments:
        method: the attribution's method.
        removal: what stood for what was absent.
        unit: of the metric.
        shares: of places in a set.
        claimed: the sum of the attribution's values over each set.
        measured: what the metric loses without it.
        shuffled: the sums after the values were shuffled among each example's places: the control.
    """

    method: str
    removal: str
    unit: str
    shares: tuple[float, ...]
    claimed: Float[Tensor, "example share set"]
    measured: Float[Tensor, "example share set"]
    shuffled: Float[Tensor, "example share set"]

    @property
    def infidelity(self) -> Float[Tensor, " example"]:
        """The mean squared difference of claimed and measured, in the metric's unit squared."""
        return (self.claimed - self.measured).square().flatten(1).mean(-1)

    @property
    def infidelity_error(self) -> Float[Tensor, " example"]:
        """The standard error of each infidelity over its sets."""
        squares = (self.claimed - self.measured).square().flatten(1)
        return squares.std(-1) / squares.shape[1] ** 0.5

    @property
    def shuffled_infidelity(self) -> Float[Tensor, " example"]:
        """The same of shuffled values."""
        return (self.shuffled - self.measured).square().flatten(1).mean(-1)

    @property
    def scale(self) -> Float[Tensor, " example"]:
        """The factor by which the values would have to be multiplied to have the least infidelity; NaN where all claims are 0."""
        return (self.claimed * self.measured).flatten(1).sum(-1) / self.claimed.square().flatten(1).sum(-1)

    @property
    def scaled(self) -> Float[Tensor, " example"]:
        """The infidelity that is left with that factor."""
        return (self.scale[:, None, None] * self.claimed - self.measured).square().flatten(1).mean(-1)

    @property
    def sensitivity_n(self) -> Float[Tensor, "example share"]:
        """The correlation of claimed and measured over sets of one size; NaN where one of them is the same for all sets."""
        return _correlation(self.claimed, self.measured)

    @property
    def shuffled_sensitivity_n(self) -> Float[Tensor, "example share"]:
        """The same of shuffled values."""
        return _correlation(self.shuffled, self.measured)

    def to_frame(self) -> "DataFrame":
        """One row per example."""
        import polars as pl

        columns = {
            "example": list(range(len(self.claimed))),
            "infidelity": self.infidelity.tolist(),
            "error": self.infidelity_error.tolist(),
            "shuffled": self.shuffled_infidelity.tolist(),
            "scale": self.scale.tolist(),
            "scaled": self.scaled.tolist(),
            "sensitivity_n": self.sensitivity_n.nanmean(-1).tolist(),
        }
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """Sensitivity-n against the size of the sets, beside shuffled values."""
        note = (
            f"What is absent is {self.removal}; {self.claimed.shape[-1]} sets of each size; infidelity {float(self.infidelity.mean()):.3g} "
            f"{self.unit} squared, of shuffled values {float(self.shuffled_infidelity.mean()):.3g}."
        )
        return lines(
            f"Do the values of {self.method} add up?",
            "correlation of claimed and measured losses",
            "share of the places in a set",
            [f"{share:.0%}" for share in self.shares],
            [Series(self.method, self.sensitivity_n.nanmean(0)), Series("shuffled values", self.shuffled_sensitivity_n.nanmean(0))],
            note=note,
        )

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Whether claimed losses go with measured ones more than those of shuffled values do; nothing is computed again."""
        self.refuse_other(model)
        claim = f"What {self.method} says of sets of places goes with what the model loses without them."
        measure = f"sensitivity-n, mean over sizes (what is absent is {self.removal}); control: values shuffled among the places"
        measured, control = self.sensitivity_n.nanmean(-1), self.shuffled_sensitivity_n.nanmean(-1)
        kept = ~(measured.isnan() | control.isnan())
        if not bool(kept.any()):
            reason = "claimed or measured losses are the same for every set of a size, so that nothing can go with them"
            return [untestable(claim, measure, reason, threshold=LEAST, threshold_source=SOURCE)]
        if not bool(kept.all()):
            measure += f" ({int((~kept).sum())} of {len(kept)} examples, in which nothing varies, are left out)"
        return [compare(claim, measure, measured[kept], control[kept], threshold=LEAST, threshold_source=SOURCE)]


def sums(
    model: Model,
    task: Any,
    attribution: Attribution,
    of: Metric | None = None,
    *,
    removal: Given | None = None,
    shares: Sequence[float] = SHARES,
    sets: int = 20,
    seed: int = 0,
) -> Sums:
    """Compare what an attribution claims of random sets of places with what the model loses without them: infidelity and sensitivity-n.

    Arguments:
        model: the model.
        task: the task or inputs that the attribution explains.
        attribution: contributions in the metric's unit: no plain gradients, norms or attention weights.
        of: for inputs, the metric.
        removal: what stands for what is absent, not what the method itself put there; by default what other examples hold.
        shares: of places in a set.
        sets: of each size.
        seed: of the sets and of the control.

    Raises:
        InputError: values that are no contributions, the method's own removal, fewer than 3 sets, or a share outside 0 to 1.

    >>> import sonde
    >>> model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(4, 2)))
    >>> rows, metric = torch.randn(3, 4), sonde.tasks.Logit([0])
    >>> linear = sonde.attribution.gradient_x_input(model, rows, of=metric)
    >>> bool((sums(model, rows, linear, metric, removal="zero").infidelity < 1e-9).all())
    True
    """
    if sets < 3 or not all(0 < share <= 1 for share in shares):
        raise InputError(f"sets={sets}, shares={tuple(shares)}: give at least 3 sets of each size, and shares above 0 and up to 1")
    if attribution.own_unit:
        raise InputError(f"values of {attribution.method} are in {attribution.own_unit}, and claim no share of the metric: nothing is to add up")
    played = game(model, task, of, attribution, OtherExamples() if removal is None else removal)
    generator = torch.Generator().manual_seed(seed)
    taken, claimed, shuffled = [], [], []
    for example in range(len(attribution)):
        values, _ = places(attribution, example)
        chosen = torch.cat([_drawn(len(values), max(1, round(share * len(values))), sets, generator) for share in shares])
        taken.append(chosen)
        claimed.append(chosen.float() @ values)
        shuffled.append(chosen.float() @ values[torch.randperm(len(values), generator=generator)])
    whole = played.metric
    without = played([~chosen for chosen in taken])
    shape = len(attribution), len(shares), sets
    return Sums(
        attribution.method, played.baseline.described(played.question), attribution.unit, tuple(shares),
        claimed=torch.stack(claimed).view(shape), measured=(whole[:, None] - torch.stack(without)).view(shape),
        shuffled=torch.stack(shuffled).view(shape),
        recipe=Recipe.of(
            "sonde.attribution.evaluation.sums", {"attribution": attribution.recipe.function, "removal": removal, "shares": shares, "sets": sets},
            model_hash=model.hash, inputs=[attribution.recipe.inputs_hash, attribution.values.nan_to_num()], seed=seed,
        ),
    )  # fmt: skip


def _drawn(n: int, size: int, sets: int, generator: torch.Generator) -> Bool[Tensor, "set place"]:
    """Random sets of some size."""
    return torch.rand(sets, n, generator=generator).argsort(-1).argsort(-1) < size


def _correlation(a: Float[Tensor, "... set"], b: Float[Tensor, "... set"]) -> Float[Tensor, "..."]:
    """Pearson's; NaN where one side is the same for all sets but for rounding."""
    x, y = (side.double() - side.double().mean(-1, keepdim=True) for side in (a, b))
    flat = torch.stack([_same(a), _same(b)]).any(0)
    return ((x * y).sum(-1) / (x.square().sum(-1) * y.square().sum(-1)).sqrt()).masked_fill(flat, torch.nan)


def _same(values: Float[Tensor, "... set"]) -> Tensor:
    return values.std(-1) <= 1e-6 * values.abs().amax(-1)
