"""What a study found: sequences with their tokens coloured, maps of layers, shares of layers, of words and of kinds; two models beside each other."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import compare, spearman, untestable
from sonde.influence.drawings import coloured_list, layer_map
from sonde.influence.results import SIGN
from sonde.results import Drawing, InputError, Result, Verdict, shown
from sonde.results.drawing import beside as side_by_side
from sonde.results.drawing import matrix, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MOST = 500
"""Columns of a map of layers, as in Grosse et al. 2023."""
CONTROL_DECIDES = "none: the control decides"


@dataclass(frozen=True, eq=False, repr=False)
class Study(Result):
    """The influence of every training sequence on queries of several kinds, taken apart.

    Arguments:
        model: its name.
        kinds, queries: of each query its kind and text.
        query_values: what was asked about each query: its loss, or the metric.
        examples: the training sequences in a few words.
        groups: their kinds; empty where these are not known.
        layers: names, first to last.
        by_layer: what each layer adds; these sum to tau.
        overlap: the share of the query's words that stands in the sequence; rare words count more.
        helpful, harmful: the sequences with the highest and the lowest tau, the strongest first.
        named: the sequences that are told token by token.
        tokens: of each of these.
        shares: for every query what each place of its helpful, then of its harmful sequences adds; numbers beyond the tokens belong to padding.
        n: how many training sequences there are.
        method, of: how influence was estimated, on what.
    """

    model: str
    kinds: list[str]
    queries: list[str]
    query_values: Float[Tensor, " query"]
    examples: list[str]
    groups: list[str]
    layers: list[str]
    by_layer: Float[Tensor, "query example layer"]
    overlap: Float[Tensor, "query example"]
    helpful: Int[Tensor, "query k"]
    harmful: Int[Tensor, "query k"]
    named: list[int]
    tokens: list[list[str]]
    shares: Float[Tensor, "query told pos"]
    n: int
    method: str
    of: str

    sign = SIGN

    @property
    def values(self) -> Float[Tensor, "query example"]:
        """The influence tau of every sequence on every query."""
        return self.by_layer.sum(-1)

    def layer_shares(self, k: int = MOST) -> Float[Tensor, "query layer"]:
        """The share of each layer in the sizes of what the layers add to the most helpful sequences; the shares of a query sum to 1.

        Arguments:
            k: how many sequences, all if there are fewer.
        """
        # sizes, because layers may speak against each other, and shares of a difference are no shares
        apart = torch.stack([self.by_layer[q, places].abs().sum(0) for q, places in enumerate(self._first(k))])
        return apart / apart.sum(-1, keepdim=True)

    def lexical(self, k: int | None = None) -> tuple[Float[Tensor, " query"], Float[Tensor, " query"]]:
        """The share of a query's words that stands in its most helpful sequences, and in sequences drawn at random: the mean over all.

        Arguments:
            k: how many sequences; by default as many as are told.
        """
        return self._mean(self.overlap, k)

    def related(self, k: int | None = None) -> tuple[Float[Tensor, " query"], Float[Tensor, " query"]]:
        """How many of a query's most helpful sequences are of its own kind, and of all sequences; NaN where kinds are not known.

        Arguments:
            k: how many sequences; by default as many as are told.
        """
        known = [kind in self.groups for kind in self.kinds]
        alike = torch.tensor([[float(kind == group) for group in self.groups] for kind in self.kinds]).reshape(len(self.kinds), -1)
        if not alike.shape[1]:
            alike = torch.zeros(len(self.kinds), len(self.examples))
        found, chance = self._mean(alike.double(), k)
        missing = torch.tensor([0.0 if one else math.nan for one in known], dtype=found.dtype)
        return found + missing, chance + missing

    def to_frame(self) -> "DataFrame":
        """One row per query and named sequence."""
        import polars as pl

        values, rows = self.values, []
        for q, (kind, query) in enumerate(zip(self.kinds, self.queries, strict=True)):
            for side, places in (("helpful", self.helpful[q]), ("harmful", self.harmful[q])):
                for rank, i in enumerate(places.tolist()):
                    group = self.groups[i] if self.groups else None
                    rows.append((kind, query, side, rank, i, float(values[q, i]), float(self.overlap[q, i]), group, self.examples[i]))
        columns = {
            "kind": pl.String, "query": pl.String, "side": pl.String, "rank": pl.Int64, "example": pl.Int64, "tau": pl.Float64,
            "word_overlap": pl.Float64, "group": pl.String, "text": pl.String,
        }  # fmt: skip
        return pl.DataFrame(rows, columns, orient="row")

    def summary(self) -> Drawing:
        """The queries in a table: shared words and kinds of the most helpful sequences beside those of random ones, and where the influence lies."""
        (lexical, by_chance), (related, base), shares = self.lexical(), self.related(), self.layer_shares()
        rows = []
        for q, (kind, query) in enumerate(zip(self.kinds, self.queries, strict=True)):
            figures = [float(row[q]) for row in (lexical, by_chance, related, base)]
            rows.append([kind, query, *(None if math.isnan(one) else one for one in figures), *shares[q].tolist()])
        heads = ["kind", "query", "shared words", "at random", "own kind", "at random ", *self.layers]
        return table(
            f"What bears on the queries, in {self.model}?", heads, rows,
            note=f"Shared words and own kind: of the {self.helpful.shape[1]} most helpful of {self.n} sequences. Layers: shares in the influence of "
            f"the {min(MOST, self.n)} most helpful.",
        )  # fmt: skip

    def list_of(self, query: int = 0) -> Drawing:
        """The most helpful and most harmful sequences of a query, their tokens coloured by what each adds.

        Arguments:
            query: its number.
        """
        self._known(query)
        values = self.values[query]
        helpful, harmful = ([(i, place) for place, i in enumerate(side[query].tolist())] for side in (self.helpful, self.harmful))
        ranked = [(i, place) for i, place in helpful if values[i] > 0]
        ranked += [(i, len(helpful) + place) for i, place in harmful[::-1] if values[i] < 0]
        rows = [(i, self.groups[i] if self.groups else "", float(values[i]), *self._coloured(query, i, place)) for i, place in ranked]
        return coloured_list(f"Which training sequences bear on {self.queries[query][:60]!r} in {self.model}?", rows, SIGN)

    def map_of(self, query: int = 0, k: int = MOST) -> Drawing:
        """The layers by the most helpful sequences of a query, whose columns sum to tau.

        Arguments:
            query: its number.
            k: how many sequences, all if there are fewer.
        """
        self._known(query)
        places = self._first(k)[query].tolist()
        title = f"In which layers does the training bear on {self.queries[query][:60]!r} in {self.model}?"
        return layer_map(title, self.by_layer[query, places], self.layers, [self.examples[i] for i in places], places, SIGN)

    def kinds_by_layer(self) -> Drawing:
        """The share of each layer in the influence on each kind of query."""
        shares, names = self.layer_shares(), list(dict.fromkeys(self.kinds))
        means = torch.stack([shares[[kind == name for kind in self.kinds]].mean(0) for name in names])
        return matrix(
            f"On which layers is the influence concentrated, in {self.model}?", "share of the influence", means, row_name="kind of query", rows=names,
            col_name="layer", cols=self.layers, scale="sequential", zero="no share",
            note=f"The means over queries; of each query the {min(MOST, self.n)} most helpful sequences, of which the layers' shares sum to 1.",
        )  # fmt: skip

    def drawing(self) -> Drawing:
        """A table of the queries, the shares of layers, and of the first query of each kind its sequences and its map."""
        views = [("all queries", self.summary()), ("layers", self.kinds_by_layer())]
        for kind in dict.fromkeys(self.kinds):
            q = self.kinds.index(kind)
            views.append((kind, tabs(self.queries[q], [("sequences", self.list_of(q)), ("layers", self.map_of(q))])))
        return tabs(f"From which training does {self.model} have what it says?", views)

    def check(self, model: Any) -> list[Verdict]:  # type: ignore[override]
        """Judge whether the most helpful sequences share more words with queries than random ones, and are more often of their kind.

        Queries of one kind are alike, so it is kinds that are counted.

        Arguments:
            model: that was studied.
        """
        self.refuse_other(model)
        found = []
        k, source = self.helpful.shape[1], CONTROL_DECIDES
        lexical, chance = self.lexical()
        claim = f"The sequences most helpful to {self.model} share words with their query, more than random ones."
        found.append(
            compare(claim, f"share of the query's words, top {k}", lexical, chance, threshold=0.0, threshold_source=source, blocks=self.kinds)
        )
        claim = f"The sequences most helpful to {self.model} are of their query's own kind, more often than random ones."
        measure = f"share of the own kind, top {k}"
        known = ~self.related()[0].isnan()
        if not known.any():
            found.append(untestable(claim, measure, "no query's kind is among those of the sequences", threshold=0.0, threshold_source=source))
        else:
            (related, base), kinds = (one[known] for one in self.related()), self._known_kinds()
            found.append(compare(claim, measure, related, base, threshold=0.0, threshold_source=source, blocks=kinds))
        return found

    def _coloured(self, query: int, example: int, place: int) -> tuple[list[str], list[float]]:
        tokens = self.tokens[self.named.index(example)]
        return tokens, self.shares[query, place, : len(tokens)].tolist()

    def _first(self, k: int) -> Int[Tensor, "query k"]:
        return self.values.argsort(dim=1, descending=True, stable=True)[:, :k]

    def _mean(self, table: Float[Tensor, "query example"], k: int | None) -> tuple[Tensor, Tensor]:
        """The mean over the most helpful sequences, and over all."""
        first = self._first(self.helpful.shape[1] if k is None else k)
        return table.gather(1, first).mean(1), table.mean(1)

    def _known_kinds(self) -> list[str]:
        """The kinds of the queries whose kind is that of some sequences."""
        return [kind for kind in self.kinds if kind in self.groups]

    def _known(self, query: int) -> None:
        if not 0 <= query < len(self.queries):
            raise InputError(f"query={shown(query)}: there are {len(self.queries)} queries, counted from 0")


@dataclass(frozen=True, eq=False, repr=False)
class Beside(Result):
    """Two models' studies of the same queries and training sequences.

    Arguments:
        first, second: the studies.
    """

    first: Study
    second: Study

    @property
    def agreement(self) -> Float[Tensor, " query"]:
        """The rank correlation of the two models' influences over all sequences."""
        return torch.tensor([spearman(a, b) for a, b in zip(self.first.values, self.second.values, strict=True)])

    @property
    def shared(self) -> Float[Tensor, " query"]:
        """The share of the most helpful sequences of one that is among those of the other."""
        pairs = zip(self.first.helpful.tolist(), self.second.helpful.tolist(), strict=True)
        return torch.tensor([len(set(a) & set(b)) / len(a) for a, b in pairs])

    def to_frame(self) -> "DataFrame":
        """One row per query."""
        import polars as pl

        columns = {
            "kind": self.first.kinds, "query": self.first.queries, "rank_correlation": self.agreement.tolist(), "shared": self.shared.tolist(),
            "first_words": self.first.lexical()[0].tolist(), "second_words": self.second.lexical()[0].tolist(),
            "random_words": self.first.lexical()[1].tolist(), "first_kind": self.first.related()[0].tolist(),
            "second_kind": self.second.related()[0].tolist(), "random_kind": self.first.related()[1].tolist(),
        }  # fmt: skip
        return pl.DataFrame(columns)

    def list_of(self, query: int = 0) -> Drawing:
        """The sequences that bear most on a query, one model beside the other.

        Arguments:
            query: its number.
        """
        lists = [(f"{place}: {one.model}", one.list_of(query)) for place, one in (("first", self.first), ("second", self.second))]
        return side_by_side(f"Which training sequences bear on {self.first.queries[query][:60]!r} in either model?", lists)

    def drawing(self) -> Drawing:
        """A table of the queries, and of the first query of each kind the sequences of either model."""
        frame = self.to_frame().to_dicts()
        heads = ["kind", "query", "rank correlation", "shared of the top", "words, first", "words, second", "words at random"]
        keys = ["kind", "query", "rank_correlation", "shared", "first_words", "second_words", "random_words"]
        whole = table(
            f"Do the same sequences bear on {self.first.model} and {self.second.model}?", heads, [[row[key] for key in keys] for row in frame],
            note=f"Of {self.first.n} sequences the {self.first.helpful.shape[1]} most helpful of each query; words: the share of the query's words "
            "in them.",
        )  # fmt: skip
        kinds = [(kind, self.list_of(self.first.kinds.index(kind))) for kind in dict.fromkeys(self.first.kinds)]
        return tabs(f"{self.first.model} and {self.second.model}", [("all queries", whole), *kinds])

    def check(self, model: Any, second: Any) -> list[Verdict]:  # type: ignore[override]
        """Judge whether the first model's influences are less lexical than the second's, and more often of the query's own kind; kinds are counted.

        Arguments:
            model, second: the first and the second.
        """
        self.first.refuse_other(model)
        self.second.refuse_other(second)
        k, names = self.first.helpful.shape[1], (self.first.model, self.second.model)
        claim, measure = f"The influences of {names[0]} are less lexical than those of {names[1]}.", f"share of the query's words, top {k}"
        own, other = self.first.lexical()[0], self.second.lexical()[0]
        found = compare(claim, measure, own, other, direction="less", threshold=1.0, threshold_source=CONTROL_DECIDES, blocks=self.first.kinds)
        verdicts = [found]
        claim, measure = (
            f"The influences of {names[0]} are more often of the query's own kind than those of {names[1]}.",
            f"share of the own kind, top {k}",
        )
        known = ~self.first.related()[0].isnan()
        if not known.any():
            reason = "no query's kind is among those of the sequences"
            return [*verdicts, untestable(claim, measure, reason, threshold=0.0, threshold_source=CONTROL_DECIDES)]
        own, other = self.first.related()[0][known], self.second.related()[0][known]
        kinds = self.first._known_kinds()
        return [*verdicts, compare(claim, measure, own, other, threshold=0.0, threshold_source=CONTROL_DECIDES, blocks=kinds)]


def beside(first: Study, second: Study) -> Beside:
    """Two models' studies beside each other.

    Arguments:
        first, second: of the same queries, on the same training sequences; for the claims the first is the larger model.

    Raises:
        InputError: studies of other queries or sequences.
    """
    for what, a, b in (("queries", first.queries, second.queries), ("training sequences", first.examples, second.examples)):
        if a != b:
            at = next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
            raise InputError(f"the studies are of different {what} (from number {at} on): study both models with the same queries and sequences")
    return Beside(first, second, recipe=first.recipe)
