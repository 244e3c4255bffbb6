"""What a suite found: the surprisal of every region, and how often each formula holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import compare, permuted, t_interval, wilson
from sonde.results import Drawing, InputError, Result, Verdict, content_hash
from sonde.results.drawing import Series, lines, table

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model
    from sonde.behaviour.suites.suite import Suite

SERIES = 8  # the most lines in one drawing
THRESHOLD, SOURCE = 0.5, "most items: a convention"


@dataclass(frozen=True)
class Share:
    """How often a formula holds.

    Arguments:
        holds: in how many items.
        n: of how many.
        low, high: Wilson's 95 % interval of the share.
    """

    holds: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the items."""
        return self.holds / self.n


@dataclass(frozen=True, eq=False, repr=False)
class SuiteResult(Result):
    """A suite evaluated on a model.

    Arguments:
        model: the model's name.
        suite: the suite's name.
        metric: how a region's value is made of the surprisals of its tokens.
        unit: "bits" or "nats".
        predictions: the formulas.
        conditions: their names.
        regions: the names of the regions, by number.
        items: the numbers of the items that were evaluated.
        values: of each region; NaN where a condition lacks it, or it has none.
        counts: how many tokens each region has.
        holds: 1 where a formula holds, 0 where it does not, NaN where it can't be evaluated.
        bad: the items that could not be read or evaluated, and why.
        notes: what was decided.
    """

    model: str
    suite: str
    metric: str
    unit: str
    predictions: list[str]
    conditions: list[str]
    regions: dict[int, str]
    items: list[int]
    values: Float[Tensor, "item condition region"]
    counts: Int[Tensor, "item condition region"]
    holds: Float[Tensor, "prediction item"]
    bad: list[str]
    notes: list[str]

    @property
    def accuracy(self) -> list[Share | None]:
        """How often each formula holds; `None` for one that could be evaluated on no item."""
        return [_share(row[~row.isnan()]) for row in self.holds]

    @property
    def all_hold(self) -> Share | None:
        """How often all formulas hold at once, of the items on which all could be evaluated."""
        known = self.holds[:, ~self.holds.isnan().any(0)]
        return _share(known.min(0).values) if known.shape[1] else None

    def to_frame(self) -> "DataFrame":
        """One row per item, condition and region."""
        import polars as pl

        rows = [
            (item, condition, number, name, int(self.counts[i, c, r]), self.values[i, c, r].item())
            for i, item in enumerate(self.items)
            for c, condition in enumerate(self.conditions)
            for r, (number, name) in enumerate(self.regions.items())
        ]
        return pl.DataFrame(rows, ["item", "condition", "region", "name", "tokens", "surprisal"], orient="row")

    def drawing(self) -> Drawing:
        """The surprisal of the regions, a line for each condition: means over items with their intervals."""
        series = []
        for c, condition in enumerate(self.conditions[:SERIES]):
            columns = [column[~column.isnan()] for column in self.values[:, c].T]
            ends = [t_interval(column) if len(column) > 1 else (None, None) for column in columns]
            means = [column.mean().item() if len(column) else None for column in columns]
            series.append(Series(condition, means, [low for low, _ in ends], [high for _, high in ends]))
        left = len(self.conditions) - SERIES
        more = f"; {left} more conditions are not drawn" if left > 0 else ""
        return lines(
            f"Where does {self.suite} surprise {self.model}?",
            f"{self.unit}, {self.metric} over a region's tokens",
            "region",
            [f"{number} {name}".strip() for number, name in self.regions.items()],
            series,
            note=f"Mean over {len(self.items)} items with its 95 % interval (t){more}.",
        )

    def check(self, model: "Model", suite: "Suite", draws: int = 8, seed: int = 0) -> list[Verdict]:
        """Test whether each formula holds more often than for the same network with its weights in random order.

        Arguments:
            model: the model that it was evaluated on.
            suite: the suite.
            draws: how many random orders.
            seed: of the first of them.

        Returns:
            A verdict for each formula, and one for all at once: a formula that compares two fixed words holds in any network that happens to prefer
            the one, so that random orders differ widely.

        Raises:
            CheckRefused: another model. InputError: another suite.
        """
        from sonde.access import Model
        from sonde.behaviour.suites.evaluate import evaluate

        self.refuse_other(model)
        if content_hash(suite.content) != self.recipe.inputs_hash:
            raise InputError(f"the suite {suite.name!r} is not the one that was evaluated; give that one")
        shuffled = [
            evaluate(Model(permuted(model.module, seed + draw), model.tokenizer), suite, **self.recipe.arguments).holds for draw in range(draws)
        ]
        claims = [([p], f"{formula} holds for what {self.model} has learnt.") for p, formula in enumerate(self.predictions)]
        if len(self.predictions) > 1:
            claims.append((list(range(len(self.predictions))), f"All formulas of {self.suite} hold at once for what {self.model} has learnt."))
        return [self._verdict(rows, claim, shuffled) for rows, claim in claims]

    def _verdict(self, rows: list[int], claim: str, shuffled: Sequence[Tensor]) -> Verdict:
        """Some of the formulas at once, against the same of shuffled networks."""
        known = ~self.holds[rows].isnan().any(0)
        measured, *control = (holds[rows][:, known].min(0).values for holds in (self.holds, *shuffled))
        return compare(claim, "share of items", measured, torch.stack(control), threshold=THRESHOLD, threshold_source=SOURCE)


def accuracies(results: Sequence[SuiteResult], title: str = "How often do the formulas hold?") -> Drawing:
    """Draw how often each formula holds, for several suites and models, as one table.

    Arguments:
        results: of any suites and models.
        title: the question that the table answers.
    """
    rows: list[list[Any]] = []
    for result in results:
        everything = [("all at once", result.all_hold)] if len(result.predictions) > 1 else []
        for formula, share in [*zip(result.predictions, result.accuracy, strict=True), *everything]:
            figures = [None, None, None, 0] if share is None else [share.share, share.low, share.high, share.n]
            rows.append([result.suite, result.model, formula, *figures])
    return table(title, ["suite", "model", "formula", "share", "low", "high", "items"], rows, note="Wilson's intervals at 95 %.")


def _share(holds: Float[Tensor, " item"]) -> Share | None:
    n, true = len(holds), int(holds.sum())
    return Share(true, n, *wilson(true, n)) if n else None
