"""The same product read from its other side: which tokens of a query carry an example's influence, and where does an example move the weights?

tau(q, i) = g_q^T (H + damping)^-1 g_i is symmetric in the query and the example, so one pass back from the queries against the examples' gradients
takes tau apart by the query's places, g_q = sum_t delta_t a_t^T. And (H + damping)^-1 g_i / n is, to first order, how the weights move when example i
is left out (Koh and Liang 2017, equation 1): its inner product with g_q is tau / n.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.blocks import as_weights, weights_of
from sonde.influence.directions import Factors, Formed, directions
from sonde.influence.drawings import UNIT
from sonde.influence.examples import examples_of
from sonde.influence.metrics import metric_of, refuse_unseen
from sonde.influence.subject import Told
from sonde.influence.taken import by_position, longer
from sonde.results import Drawing, InputError, Result, shown

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.influence.fit import Influence


@dataclass(frozen=True, eq=False, repr=False)
class QueryTokens(Result):
    """Which tokens of queries carry the influence of examples on them.

    Arguments:
        values: what each place adds; places beyond a query's last token hold zeros.
        tokens: of the queries.
        examples: what they are, in a few words.
        numbers: of the examples.
        of: what was asked about.
        method: how scores are estimated.
    """

    values: Float[Tensor, "query example pos"]
    tokens: list[list[str]]
    examples: list[str]
    numbers: list[int]
    of: str
    method: str

    def to_frame(self) -> "DataFrame":
        """One row per query, example and token."""
        import polars as pl

        rows = [
            (q, number, at, text, float(self.values[q, i, at]))
            for q, row in enumerate(self.tokens) for i, number in enumerate(self.numbers) for at, text in enumerate(row)
        ]  # fmt: skip
        return pl.DataFrame(rows, ["query", "example", "pos", "token", "tau"], orient="row")

    def drawing(self) -> Drawing:
        """The queries coloured, once for each example."""
        from sonde.results.drawing import tabs, tokens

        views = []
        for q, row in enumerate(self.tokens):
            for i, number in enumerate(self.numbers):
                title = f"Through which tokens does example {number} bear on {self.of}?"
                shares = self.values[q, i, : len(row)].tolist()
                one = tokens(title, UNIT, row, shares, zero="nothing", note=self.examples[i])
                views.append((f"query {q}, example {number}: {self.examples[i]}"[:60], one))
        return views[0][1] if len(views) == 1 else tabs(f"Which tokens carry the influence on {self.of}?", views)


def query_tokens(influence: "Influence", query: Any, examples: Sequence[int], of: Any = None) -> QueryTokens:
    """Take scores apart by the places of the query.

    Arguments:
        influence: the fitted curvature.
        query, of: as for `Influence.scores`.
        examples: numbers of training examples.
    """
    subject, chosen, metric = influence.subject, _numbers(influence, examples), metric_of(influence.subject.model, of)
    queries = examples_of(subject.model, query, "query")
    texts = [queries.tokens(i) for i in range(len(queries))]
    refuse_unseen(subject, queries, metric)
    found = directions(subject, influence.curvature, influence.damping, subject.examples, chosen)
    parts = []
    for some in subject.batches(range(len(queries))):
        sums: list[Tensor] = []

        def add(told: Told, sums: list[Tensor] = sums) -> None:
            sums.append(by_position(told, found.parts[told.block.name].against(told.trace).double().cpu()))

        subject.back(queries, some, add, metric)
        parts.append(torch.stack(sums).sum(0).transpose(0, 1))
    longest = max(part.shape[-1] for part in parts)
    recipe = influence.recipe("query_tokens", queries, {"of": metric or subject.loss, "examples": chosen})
    return QueryTokens(
        torch.cat([longer(part, longest) for part in parts]), [text or [] for text in texts], [subject.examples.label(i) for i in chosen], chosen,
        influence.asked(metric), influence.method, recipe=recipe,
    )  # fmt: skip


def moved(influence: "Influence", examples: Sequence[int]) -> dict[str, Float[Tensor, "..."]]:
    """How the weights move, to first order, when examples are left out together.

    Arguments:
        influence: the fitted curvature.
        examples: their numbers.
    """
    subject, chosen = influence.subject, _numbers(influence, examples)
    found = directions(subject, influence.curvature, influence.damping, subject.examples, chosen)
    change: dict[str, Tensor] = {}
    for block in subject.blocks:
        part = found.parts[block.name]
        V = part.outer.dense() if isinstance(part, Factors) else part.V if isinstance(part, Formed) else part.left @ part.right
        module = subject.model.module.get_submodule(block.name)
        names = {id(weight): name for name, weight in module.named_parameters(recurse=False)}
        for weight, moves in zip(weights_of(module), as_weights(module, V.sum(0) / len(subject.examples)), strict=True):
            change[f"{block.name}.{names[id(weight)]}"] = moves
    return change


def _numbers(influence: "Influence", examples: Sequence[int]) -> list[int]:
    n = len(influence.subject.examples)
    asked = list(examples) if isinstance(examples, Sequence) and not isinstance(examples, str) else []
    if not asked or any(isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < n for i in asked):
        raise InputError(f"examples={shown(examples)}: give numbers of training examples, counted from 0 to {n - 1}")
    return asked
