"""The direct query: raise a column, brighten a pixel, exchange a word, and measure what the model then says.

    response(v) = F(x with v in one place)

An attribution answers another question, what the places are worth against a baseline, and its sign and size need not say what a change does
(`sonde.attribution.evaluation.LocalBump`). Where the change is what matters, it can be asked, at the cost of one forward for each value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Question
from sonde.attribution.question import ask
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Control, Series, bars, lines
from sonde.tasks import unit_of

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Response(Result):
    """The metric for every value put in one place.

    Arguments:
        place: where.
        values: what was put there, as text.
        response: the metric with each value there.
        whole: the metric of the inputs as they are.
        unit: of the metric.
        tokens: of texts, what stands there in each example; empty where numbers were put there.
    """

    place: str
    values: tuple[str, ...]
    response: Float[Tensor, "example value"]
    whole: Float[Tensor, " example"]
    unit: str
    tokens: tuple[str, ...] = ()

    @property
    def effect(self) -> Float[Tensor, "example value"]:
        """What each value changes."""
        return self.response - self.whole[:, None]

    def to_frame(self) -> "DataFrame":
        """One row per example and value."""
        import polars as pl

        n, m = self.response.shape
        columns = {"example": [i for i in range(n) for _ in range(m)], "value": list(self.values) * n}
        return pl.DataFrame(columns | {"response": self.response.flatten().tolist(), "effect": self.effect.flatten().tolist()})

    def drawing(self) -> Drawing:
        """The mean response with the middle 95 % of the examples: a bar for each word, since words have no order, or a line over numbers."""
        values, ends = _middle(self.response)
        whole, around = _middle(self.whole[:, None])
        note = f"Means over {len(self.whole)} examples, each with everything else as it is." if len(self.whole) > 1 else "All else is as it is."
        if self.tokens:
            between = None if ends is None else list(zip(*ends.tolist(), strict=True))
            asit = Control("as it is", float(whole), None if around is None else (float(around[0]), float(around[1])))
            title = f"What if {self.place} were another word?"
            return bars(title, self.unit, self.values, values, intervals=between, control=asit, zero=f"0 {self.unit}", note=note)
        series = [Series("with this value", values, *(ends if ends is not None else (None, None)))]
        series.append(Series("as it is", whole.expand(len(self.values))))
        return lines(f"What if {self.place} were changed?", self.unit, "value", self.values, series, note=note)


def _middle(amounts: Float[Tensor, "example value"]) -> tuple[Float[Tensor, " value"], Float[Tensor, "end value"] | None]:
    """The means over examples, and where the middle 95 % of them end; one example has no spread."""
    return amounts.mean(0), amounts.quantile(torch.tensor([0.025, 0.975]), 0) if len(amounts) > 1 else None


def direct_query(
    model: Model,
    task: Any,
    of: Metric | None = None,
    *,
    place: int | str | Sequence[int],
    values: Sequence[float | int | str],
    at: str | None = None,
) -> Response:
    """Put values in one place of every example and measure the metric.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        place: of a text a position, or a token that stands once in every example; of a table a column; of a picture (row, column), or (channel, row,
            column); of another site the index along its axes.
        values: what to put there: of a text tokens, as text or id; else numbers.
        at: the site; by default where the inputs enter.

    Raises:
        InputError: no such place, no values, or values of the wrong kind.

    >>> import sonde
    >>> from sonde.attribution.evaluation import LocalBump
    >>> model = sonde.Model(LocalBump())
    >>> direct_query(model, torch.ones(1, 2), sonde.tasks.Logit([0]), place=0, values=[0.5, 1.5]).effect
    tensor([[ 0., 10.]])
    """
    question = ask(model, task, of, at)
    if not len(values):
        raise InputError("there is nothing to put there: give values")
    indices = [_index(question, example, place) for example in range(len(question))]
    put = [_value(question, value) for value in values]
    rows = []
    for example, index in enumerate(indices):
        for value in put:
            row = question.value[example].clone()
            row[index] = value
            rows.append(row)
    examples = [example for example in range(len(question)) for _ in put]
    response = question.metric_at(torch.stack(rows), examples).cpu().view(len(question), len(put))
    arguments = {"place": place, "values": list(values), "at": at}
    columns = [index[0] for index in indices]
    tokens: tuple[str, ...] = ()
    if question.site == "embed":
        tokens = tuple(_token(question, int(row[column])) for row, column in zip(question.run.ids, columns, strict=True))
    return Response(
        _word(question, columns, tokens, place) if tokens else _named(question, place), tuple(_text(question, value) for value in values), response,
        question.metric.cpu(), unit_of(question.of), tokens,
        recipe=Recipe.of("sonde.attribution.evaluation.direct_query", arguments, model_hash=model.hash, inputs=question.given),
    )  # fmt: skip


def _index(question: Question, example: int, place: int | str | Sequence[int]) -> tuple[int | slice, ...]:
    """The place as an index of the site's value in one example."""
    if isinstance(place, str):
        return (_standing(question, example, place),)
    index: tuple[int | slice, ...] = (place,) if isinstance(place, int) else tuple(place)
    if question.axes == ("channel", "row", "col") and len(index) == 2:
        index = (slice(None), *index)
    shape = question.value[example].shape
    real = int(question.mask[example].sum()) if question.mask is not None else shape[0]
    if question.site == "embed" and len(index) > 1:
        raise InputError(f"place={place!r}: in a text whole tokens are exchanged: give one position, or say another site with at")
    bounds = (real, *shape[1:]) if question.mask is not None else tuple(shape)
    if len(index) > len(shape) or any(not isinstance(i, slice) and not -n <= i < n for i, n in zip(index, bounds, strict=False)):
        raise InputError(f"example {example} has no place {place!r}: it has {' x '.join(map(str, bounds))} ({' '.join(question.axes)})")
    if question.mask is not None and isinstance(index[0], int):
        index = (int(question.mask[example].nonzero()[index[0], 0]), *index[1:])
    return index


def _standing(question: Question, example: int, token: str) -> int:
    """The column of the one token of that text."""
    if question.mask is None or not question.run.tokens:
        raise InputError(f"place={token!r} names a token, and {question.site!r} holds none: give an index")
    row = question.run.tokens[example]
    found = [i for i, text in enumerate(row) if text == token]
    if len(found) != 1:
        raise InputError(f"the token {token!r} stands {len(found)} times in example {example} ({''.join(row)!r}): give its position, such as place=3")
    return int(question.mask[example].nonzero()[found[0], 0])


def _value(question: Question, value: float | int | str) -> Tensor:
    """What is written: a number, or a token's embedding."""
    if question.site != "embed":
        if isinstance(value, str):
            raise InputError(f"{value!r} is a token, and {question.site!r} holds numbers: give numbers")
        return torch.tensor(float(value), dtype=question.value.dtype, device=question.value.device)
    tokenizer = question.model.tokenizer
    if isinstance(value, float) or (isinstance(value, str) and tokenizer is None):
        raise InputError(f"{value!r} is no token of this model: give the text of one, or its id")
    token = tokenizer.single(value) if isinstance(value, str) and tokenizer is not None else int(value)
    with torch.no_grad():
        return question.model.embed(torch.tensor(token, device=question.value.device))


def _text(question: Question, value: float | int | str) -> str:
    if question.site == "embed" and isinstance(value, int):
        return _token(question, value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _token(question: Question, token: int) -> str:
    tokenizer = question.model.tokenizer
    return str(token) if tokenizer is None else tokenizer.strings([token])[0]


def _word(question: Question, columns: Sequence[int | slice], tokens: tuple[str, ...], place: int | str | Sequence[int]) -> str:
    """The word that is exchanged, as far as it is the same in all examples, and where it stands, counted in real tokens."""
    assert question.mask is not None
    found = {int(real[:column].sum()) for real, column in zip(question.mask, columns, strict=True)}
    (position,) = found if len(found) == 1 else (place,)
    if len(set(tokens)) > 1:
        return f"the token at position {position}"
    return f"`{tokens[0]}`" + ("" if isinstance(position, str) else f" (position {position})")


def _named(question: Question, place: int | str | Sequence[int]) -> str:
    index = list(place) if isinstance(place, Sequence) else [place]
    axes = question.axes[-len(index) :] if question.axes == ("channel", "row", "col") else question.axes
    return " ".join(f"{axis} {i}" for axis, i in zip(axes, index, strict=False))
