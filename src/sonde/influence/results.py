"""What is known of the influence of training examples: scores of pairs, the strongest of a long list, and each example's influence on itself.

One sign everywhere: tau(q, i) > 0 means that keeping example i lowers the query's value (its loss, unless another metric was asked for), so to
first order leaving example i out of the training set changes the value by tau / n. Where sums of several examples are meant, their tau add.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.influence.drawings import heat_map, list_of_examples, own_influence
from sonde.results import Drawing, InputError, Result, Verdict, shown

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.influence.retraining import RetrainTruth

SIGN = "tau > 0: keeping the example lowers the query's value; leaving it out changes the value by about tau / n"


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Result):
    """The influence of every training example on every query.

    Arguments:
        values: tau, in units of the query's value.
        queries, examples: what they are, in a few words.
        query_values: what was asked about each query: its loss, or the metric.
        n: how many training examples there are.
        method: how the scores were estimated.
        of: what was asked about.
        modules: the blocks of weights, where the scores were taken apart by them.
        by_module: what each block adds; these sum to `values`.
        tokens: the tokens of each example, where the scores were taken apart by them.
        by_token: what each place's activations add; these sum to `values`.
        left_out: of each query's squared gradient the share that a low rank or an index leaves out, where one was asked for.
    """

    values: Float[Tensor, "query example"]
    queries: list[str]
    examples: list[str]
    query_values: Float[Tensor, " query"]
    n: int
    method: str
    of: str
    modules: list[str] | None = None
    by_module: Float[Tensor, "query example module"] | None = None
    tokens: list[list[str]] | None = None
    by_token: Float[Tensor, "query example pos"] | None = None
    left_out: Float[Tensor, " query"] | None = None

    sign = SIGN

    @property
    def removal(self) -> Float[Tensor, "query example"]:
        """By how much each query's value would change if the example had not been trained on, to first order: tau / n."""
        return self.values / self.n

    def helpful(self, query: int = 0, k: int = 10) -> list[tuple[int, float]]:
        """The examples that lower a query's value most, each with its tau.

        Arguments:
            query: its number.
            k: how many at most; only tau above zero count.
        """
        return [(i, tau) for i, tau in self._ranked(query)[:k] if tau > 0]

    def harmful(self, query: int = 0, k: int = 10) -> list[tuple[int, float]]:
        """The examples that raise a query's value most, each with its tau.

        Arguments:
            query: its number.
            k: how many at most; only tau below zero count.
        """
        return [(i, tau) for i, tau in self._ranked(query)[::-1][:k] if tau < 0]

    def grouped(self, groups: Mapping[str, Sequence[int]]) -> "Scores":
        """The influence of groups of examples: the sum over their members, which is what leaving all of them out does to first order.

        Arguments:
            groups: a name to the numbers of its examples.

        Raises:
            InputError: a number that is no example, or twice in one group.
        """
        columns = []
        for name, members in groups.items():
            if wrong := [i for i in members if not 0 <= i < self.values.shape[1]]:
                raise InputError(
                    f"group {name!r} holds example {shown(wrong[0])}, and there are {self.values.shape[1]} (0 to {self.values.shape[1] - 1})"
                )
            if len(set(members)) < len(members):
                raise InputError(f"group {name!r} holds an example twice: name each once")
            columns.append(self.values[:, list(members)].sum(1))
        empty = self.values.new_zeros(len(self.values), 0)
        return replace(
            self, values=torch.stack(columns, 1) if columns else empty, examples=list(groups), modules=None, by_module=None, tokens=None,
        by_token=None )  # fmt: skip

    def check(  # type: ignore[override]
        self, model: Any, truth: "RetrainTruth | None" = None, controls: "Mapping[str, Scores] | None" = None
    ) -> list[Verdict]:
        """Test the scores against retraining.

        Arguments:
            model: that they were computed on.
            truth: of `retrain_on_subsets` or `retrain_without`; without it nothing can be said.
            controls: other scores of the same queries, by name, which must be beaten: `nearest`, or the method on a model of shuffled labels.
        """
        from sonde.evidence import untestable
        from sonde.influence.checking import CHANCE, MEASURE, against_truth

        self.refuse_other(model)
        if truth is None:
            reason = "no model was trained again: give truth=retrain_on_subsets(...), or use Influence.check"
            return [untestable(f"{self.method} ranks examples as retraining does.", MEASURE, reason, threshold=0.0, threshold_source=CHANCE)]
        return against_truth(self, truth, controls)

    def to_frame(self) -> "DataFrame":
        """One row per query and example."""
        import polars as pl

        q, n = self.values.shape
        numbers = {"query": torch.arange(q).repeat_interleave(n), "example": torch.arange(n).repeat(q)}
        columns = {**numbers, "tau": self.values.flatten(), "removal": self.removal.flatten()}
        frame = pl.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
        return frame.with_columns(text=pl.Series(self.examples * q, dtype=pl.String))

    def drawing(self, k: int = 10) -> Drawing:
        """The most helpful and most harmful examples of every query; by module a heat map, by token with coloured texts.

        Arguments:
            k: how many of either kind.
        """
        from sonde.results.drawing import tabs

        views = [(f"{q}: {text}"[:60], self._view(q, k)) for q, text in enumerate(self.queries)]
        return views[0][1] if len(views) == 1 else tabs(f"Which training examples bear on {self.of}?", views)

    def _view(self, query: int, k: int) -> Drawing:
        ranked = [*self.helpful(query, k), *self.harmful(query, k)[::-1]]
        places = [i for i, _ in ranked]
        title = f"Which training examples bear on {self.of} of {self.queries[query][:60]!r}?"
        if self.by_module is not None and self.modules is not None:
            return heat_map(title, self.by_module[query, places], self.modules, [self.examples[i] for i in places], places, SIGN)
        colours = None if self.by_token is None else [self.by_token[query, i].tolist() for i in places]
        tokens = None if self.tokens is None else [self.tokens[i] for i in places]
        return list_of_examples(title, [(i, self.examples[i], tau) for i, tau in ranked], tokens, colours, SIGN)

    def _ranked(self, query: int) -> list[tuple[int, float]]:
        if not 0 <= query < len(self.values):
            raise InputError(f"query={shown(query)}: there are {len(self.values)} queries, counted from 0")
        values, order = self.values[query].sort(descending=True, stable=True)
        return list(zip(order.tolist(), values.tolist(), strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class Top(Result):
    """The training examples that bear most on each query, found in one pass without keeping the others' scores.

    Arguments:
        helpful, harmful: the numbers of the examples with the highest and the lowest tau, the strongest first.
        helpful_values, harmful_values: their tau.
        queries: what they are, in a few words.
        texts: for each example that is named what it is.
        n: how many training examples there are.
        method: how the scores were estimated.
        of: what was asked about.
        left_out: of each query's squared gradient the share that a low rank or an index leaves out, where one was asked for.
    """

    helpful: Int[Tensor, "query k"]
    harmful: Int[Tensor, "query k"]
    helpful_values: Float[Tensor, "query k"]
    harmful_values: Float[Tensor, "query k"]
    queries: list[str]
    texts: dict[int, str]
    n: int
    method: str
    of: str
    left_out: Float[Tensor, " query"] | None = None

    sign = SIGN

    def most_helpful(self, query: int = 0) -> list[tuple[int, float]]:
        """The examples that lower a query's value most, each with its tau; only tau above zero count.

        Arguments:
            query: its number.
        """
        return [pair for pair in _pairs(self.helpful, self.helpful_values, query) if pair[1] > 0]

    def most_harmful(self, query: int = 0) -> list[tuple[int, float]]:
        """The examples that raise a query's value most, each with its tau; only tau below zero count.

        Arguments:
            query: its number.
        """
        return [pair for pair in _pairs(self.harmful, self.harmful_values, query) if pair[1] < 0]

    def to_frame(self) -> "DataFrame":
        """One row per query and named example."""
        import polars as pl

        rows = [
            (q, kind, rank, i, tau, tau / self.n, self.texts[i])
            for kind, ranked in (("helpful", self.most_helpful), ("harmful", self.most_harmful))
            for q in range(len(self.queries))
            for rank, (i, tau) in enumerate(ranked(q))
        ]
        return pl.DataFrame(rows, ["query", "kind", "rank", "example", "tau", "removal", "text"], orient="row")

    def drawing(self) -> Drawing:
        """The named examples of every query as bars."""
        from sonde.results.drawing import tabs

        views = []
        for q, text in enumerate(self.queries):
            ranked = [*self.most_helpful(q), *self.most_harmful(q)[::-1]]
            title = f"Which training examples bear on {self.of} of {text[:60]!r}?"
            views.append((f"{q}: {text}"[:60], list_of_examples(title, [(i, self.texts[i], tau) for i, tau in ranked], None, None, SIGN)))
        return views[0][1] if len(views) == 1 else tabs(f"Which training examples bear on {self.of}?", views)


def _pairs(places: Tensor, values: Tensor, query: int) -> list[tuple[int, float]]:
    if not 0 <= query < len(places):
        raise InputError(f"query={shown(query)}: there are {len(places)} queries, counted from 0")
    return list(zip(places[query].tolist(), values[query].tolist(), strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class SelfInfluence(Result):
    """The influence of every training example on its own loss: how much of it the model learned from this example alone.

    Arguments:
        values: g^T H^-1 g, in units of the loss; never below zero.
        losses: of the examples.
        examples: what they are, in a few words.
        n: how many there are.
        method: how it was estimated.
    """

    values: Float[Tensor, " example"]
    losses: Float[Tensor, " example"]
    examples: list[str]
    n: int
    method: str

    def most(self, k: int = 20) -> list[tuple[int, float]]:
        """The examples with the most influence on themselves: outliers, and examples with a wrong label.

        Arguments:
            k: how many at most.
        """
        values, order = self.values.sort(descending=True, stable=True)
        return list(zip(order.tolist(), values.tolist(), strict=True))[:k]

    def export(self, file: str | Path, k: int | None = None) -> Path:
        """Write the suspects as a table to be looked through: the most self-influence first, with an empty column for the verdict.

        Arguments:
            file: where; a CSV file.
            k: how many; all if not given.

        Raises:
            InputError: a file that can't be written.
        """
        place, chosen = Path(file), self.most(len(self.values) if k is None else k)
        try:
            with place.open("w", newline="", encoding="utf-8") as opened:
                rows = (
                    (rank, i, self.examples[i], f"{tau:.6g}", f"{float(self.losses[i]):.6g}", "") for rank, (i, tau) in enumerate(chosen, start=1)
                )
                csv.writer(opened).writerows([("rank", "example", "text", "self_influence", "loss", "wrong"), *rows])
        except OSError as error:
            raise InputError(f"the suspects can't be written to {place}: {error.strerror or error}") from None
        return place

    def to_frame(self) -> "DataFrame":
        """One row per example."""
        import polars as pl

        columns = {"example": torch.arange(len(self.values)), "self_influence": self.values, "loss": self.losses}
        frame = pl.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
        return frame.with_columns(text=pl.Series(self.examples, dtype=pl.String)).sort("self_influence", descending=True)

    def drawing(self, k: int = 30) -> Drawing:
        """The examples with the most influence on themselves, to be looked through for wrong labels.

        Arguments:
            k: how many at most.
        """
        rows = [(i, self.examples[i], tau, float(self.losses[i])) for i, tau in self.most(k)]
        return own_influence(rows, len(self.values))
