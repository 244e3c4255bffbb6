"""Do scores rank trainings as retraining does?

To first order a model trained on the subset S has the query's value  c - sum_{i in S} tau(q, i) / n, and what is left out adds what it took away. For
each query the prediction is ranked against what retraining gave:

    lds(q) = Spearman over subsets S of ( -sum_{i in S} tau(q, i), value of q after training on S )

(the linear datamodelling score, Park et al. 2023); with single examples left out the same is the correlation of leave-one-out effects. Scores are
judged, never chosen here: what differs in nothing but the damping is not put side by side, since the best of them would be chosen on the score that
is reported. How much the damping matters is told by `stability`, which sees no truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import bootstrap, spearman
from sonde.influence.results import Scores
from sonde.influence.retraining import RetrainTruth
from sonde.results import Drawing, InputError, Recipe, Result

if TYPE_CHECKING:
    from polars import DataFrame

DRAWS = 200  # of subsets, for their interval


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """How well scores foretell what retraining gives.

    Arguments:
        measure: what is correlated.
        methods: whose scores.
        spearman, pearson: the correlation of each method for each query; NaN for a query whose value never changes.
        over_queries: the 95 % interval of each method's mean `spearman`, queries drawn again.
        over_models: the same, subsets (or what was left out) drawn again.
        ceiling: the most that can come but by chance; `None` where one seed was trained.
        ceiling_text: in words.
        queries: what they are, in a few words.
        n: how many trainings each correlation is over.
    """

    measure: str
    methods: list[str]
    spearman: Float[Tensor, "method query"]
    pearson: Float[Tensor, "method query"]
    over_queries: list[tuple[float, float]]
    over_models: list[tuple[float, float]]
    ceiling: float | None
    ceiling_text: str
    queries: list[str]
    n: int

    @property
    def mean(self) -> dict[str, float]:
        """The mean rank correlation over queries, by method."""
        return dict(zip(self.methods, self.spearman.nanmean(1).tolist(), strict=True))

    @property
    def mean_pearson(self) -> dict[str, float]:
        """The mean correlation over queries, by method."""
        return dict(zip(self.methods, self.pearson.nanmean(1).tolist(), strict=True))

    def difference(self, first: str, second: str) -> tuple[float, tuple[float, float]]:
        """The mean difference of two methods' rank correlations with its 95 % interval, paired over queries.

        Arguments:
            first, second: methods.

        Raises:
            InputError: a method that was not measured.
        """
        for name in (first, second):
            if name not in self.methods:
                raise InputError(f"{name!r} was not measured: there is {', '.join(map(repr, self.methods))}")
        paired = self.spearman[self.methods.index(first)] - self.spearman[self.methods.index(second)]
        paired = paired[paired.isfinite()]
        low, high = bootstrap(paired)
        return float(paired.mean()), (float(low), float(high))

    def to_frame(self) -> "DataFrame":
        """One row per method and query."""
        import polars as pl

        q = len(self.queries)
        columns = {"spearman": self.spearman.flatten().cpu().numpy(), "pearson": self.pearson.flatten().cpu().numpy()}
        return pl.DataFrame({"method": [name for name in self.methods for _ in range(q)], "query": list(range(q)) * len(self.methods), **columns})

    def drawing(self) -> Drawing:
        """Bars with their intervals over queries, and the ceiling."""
        from sonde.results.drawing import bars

        names, values = list(self.methods), list(self.mean.values())
        intervals: list[tuple[float, float] | None] = list(self.over_queries)
        if self.ceiling is not None:
            names, values, intervals = [*names, "ceiling of retraining"], [*values, self.ceiling], [*intervals, None]
        undefined = int((~self.spearman.isfinite()).any(0).sum())
        odd = f" {undefined} queries whose value never changes have no order and are left out." if undefined else ""
        note = f"Mean over {len(self.queries)} queries with its 95 % interval, each over {self.n} trainings; {self.ceiling_text}.{odd}"
        return bars(f"{self.measure}?", "rank correlation", names, values, intervals=intervals, zero="chance", note=note)

    def __repr__(self) -> str:
        rows = [
            f"  {name}: {value:.3f} ({low:.3f} to {high:.3f} over queries, {other[0]:.3f} to {other[1]:.3f} over trainings), Pearson {pearson:.3f}"
            for (name, value), (low, high), other, pearson in zip(
                self.mean.items(), self.over_queries, self.over_models, self.mean_pearson.values(), strict=True
            )
        ]
        return "\n".join(
            [f"{self.measure} ({len(self.queries)} queries, {self.n} trainings)", *rows, f"  {self.ceiling_text}", f"  by {self.recipe}"]
        )


def lds(scores: Scores | Mapping[str, Scores], truth: RetrainTruth) -> Agreement:
    """The linear datamodelling score: do scores rank subsets of the training set as training on them does?

    Arguments:
        scores: of the truth's queries and examples; several by name.
        truth: of `retrain_on_subsets`.

    Raises:
        InputError: a truth without subsets, scores of something else, scores that differ in their damping only.

    >>> from sonde.influence import CrossEntropy, SoftmaxRegression, exact, retrain_on_subsets, trained
    >>> x, y = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(60) % 3
    >>> training = SoftmaxRegression(3, decay=0.1)
    >>> truth = retrain_on_subsets(training, (x, y), (x[:9], y[:9]), subsets=20)
    >>> scores = exact(trained(training, (x, y)), (x, y), CrossEntropy(), damping=0.1).scores((x[:9], y[:9]))
    >>> lds(scores, truth).mean[scores.method] > 0.9
    True
    """
    if truth.kind != "subsets":
        raise InputError("this truth left examples out one by one: give the one of retrain_on_subsets, or use leave_one_out")
    return _agreement("Do scores rank subsets as retraining does", scores, truth)


def leave_one_out(scores: Scores | Mapping[str, Scores], truth: RetrainTruth) -> Agreement:
    """The correlation of scores with what leaving examples (or groups of them) out did.

    Arguments:
        scores: as for `lds`.
        truth: of `retrain_without`.

    Raises:
        InputError: as for `lds`.
    """
    if truth.kind != "without":
        raise InputError("this truth trained on subsets: give the one of retrain_without, or use lds")
    return _agreement("Do scores foretell what leaving out does", scores, truth)


def foretold(scores: Scores, truth: RetrainTruth) -> Float[Tensor, "model query"]:
    """What scores foretell of the effect of what each model was trained without: the sum of tau / n over what was left out.

    Arguments:
        scores: of the truth's queries and examples.
        truth: what was trained.
    """
    return (~truth.members).double() @ scores.values.double().cpu().T / scores.n


def _agreement(measure: str, given: Scores | Mapping[str, Scores], truth: RetrainTruth) -> Agreement:
    several = {given.method: given} if isinstance(given, Scores) else dict(given)
    if not several:
        raise InputError("there are no scores to judge: give those of one method or more")
    for name, one in several.items():
        refuse_unlike(name, one, truth)
    refuse_chosen(several)
    target = truth.target.T
    if target.shape[1] < 3:
        raise InputError(f"{target.shape[1]} trainings have no order worth a correlation: train 3 or more")
    predicted = torch.stack([foretold(one, truth).T for one in several.values()])
    ranked = spearman(predicted, target.expand_as(predicted))
    if not ranked.isfinite().any(1).all():
        raise InputError("no query has an order: its values or its scores are all alike")
    over_queries = [_over_queries(row[row.isfinite()]) for row in ranked]
    try:
        ceiling, text = truth.ceiling().bound, str(truth.ceiling())
    except InputError:
        ceiling, text = None, "one seed was trained, so the ceiling is not known"
    recipe = Recipe.of(
        f"sonde.influence.{'lds' if truth.kind == 'subsets' else 'leave_one_out'}", {name: str(one.recipe) for name, one in several.items()},
        model_hash=next(iter(several.values())).recipe.model_hash, inputs=[truth.recipe.inputs_hash, truth.recipe.model_hash],
    )  # fmt: skip
    return Agreement(
        measure, list(several), ranked, _pearson(predicted, target), over_queries, _over_models(predicted, target), ceiling, text, truth.queries,
        target.shape[1], recipe=recipe,
    )  # fmt: skip


def _over_queries(values: Float[Tensor, " query"]) -> tuple[float, float]:
    """The interval of a mean over queries; of a single one there is none."""
    if len(values) < 2:
        return float("nan"), float("nan")
    low, high = bootstrap(values)
    return float(low), float(high)


def _over_models(predicted: Float[Tensor, "method query model"], target: Float[Tensor, "query model"]) -> list[tuple[float, float]]:
    """1.96 deviations of the mean rank correlation around it, trainings drawn again with replacement.

    Not the percentiles: a training that is drawn twice ties with itself, which moves all draws down together.
    """
    generator, m = torch.Generator().manual_seed(0), target.shape[1]
    drawn = []
    for _ in range(DRAWS):
        some = torch.randint(m, (m,), generator=generator)
        drawn.append(spearman(predicted[..., some], target[:, some].expand(len(predicted), -1, -1)).nanmean(1))
    middle = spearman(predicted, target.expand_as(predicted)).nanmean(1)
    half = 1.96 * torch.stack(drawn).std(0)
    return [(float(m - h), float(m + h)) for m, h in zip(middle, half, strict=True)]


def _pearson(a: Float[Tensor, "method query model"], b: Float[Tensor, "query model"]) -> Float[Tensor, "method query"]:
    x, y = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    return (x * y).sum(-1) / (x.square().sum(-1) * y.square().sum(-1)).sqrt()


def refuse_unlike(name: str, scores: Scores, truth: RetrainTruth) -> None:
    """Refuse scores of other queries or examples than were trained again.

    Arguments:
        name: of the scores.
        scores, truth: that are to fit.
    """
    asked, had = tuple(scores.values.shape), (truth.values.shape[2], truth.members.shape[1])
    if asked != had or (scores.queries, scores.examples) != (truth.queries, truth.examples):
        raise InputError(
            f"the scores of {name!r} are of {asked[0]} queries and {asked[1]} examples, and what was trained again is of {had[0]} and {had[1]}"
            + ("" if asked != had else ", which are others") + ": give scores of the same"
        )  # fmt: skip


def refuse_chosen(several: Mapping[str, Scores]) -> None:
    """Refuse scores that differ in nothing but the damping: the best of them would be chosen on the score that is reported.

    Arguments:
        several: scores by name.
    """
    seen: dict[str, str] = {}
    for name, one in several.items():
        head, cut, damping = one.method.partition("damping ")
        key = f"{head}|{damping.partition(')')[2]}|{one.recipe.model_hash}|{one.recipe.function}"
        if not cut:
            continue
        if key in seen and several[seen[key]].method != one.method:
            raise InputError(
                f"{seen[key]!r} and {name!r} differ in their damping alone, and the better one would be chosen on the score that is reported: "
                "choose the damping beforehand, or see with stability([...]) how much it matters"
            )
        seen[key] = name
