"""A few pairs token by token: those that a model got most wrong, and those on which models disagree most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sonde.behaviour.pairs.pair import Pair, alike
from sonde.behaviour.scorers.scorer import Scorer, own
from sonde.results import Drawing, InputError
from sonde.results.drawing import beside, tokens

UNIT = "nats"


@dataclass(frozen=True)
class ScoredSentence:
    """A sentence as a scorer reads it.

    Arguments:
        pieces: its tokens, which together are the sentence.
        values: the log-probability of each, nats; `None` where it has none.
        parts: the first token in which it differs from the other sentence.
    """

    pieces: list[str]
    values: list[float | None]
    parts: int

    @property
    def total(self) -> float:
        """The log-probability of all its tokens, nats."""
        return math.fsum(value for value in self.values if value is not None)


@dataclass(frozen=True)
class PairExample:
    """A pair under one model.

    Arguments:
        model: its name.
        pair: the pair.
        good, bad: both sentences, token by token.
        margin: score of the good sentence less that of the bad one, by the method of the result.
    """

    model: str
    pair: Pair
    good: ScoredSentence
    bad: ScoredSentence
    margin: float

    def drawing(self) -> Drawing:
        """Both sentences, coloured by the log-probability of their tokens."""
        both = (("acceptable", self.good), ("unacceptable", self.bad))
        strips = [(f"{label}: {one.total:.4g} {UNIT}", strip(one, f"{self.model}: {label}")) for label, one in both]
        return beside(f"{self.model} on {self.pair.paradigm}: margin {self.margin:+.3g}", strips)


def strip(sentence: ScoredSentence, title: str) -> Drawing:
    """One sentence, its tokens coloured by how improbable they are.

    Arguments:
        sentence: token by token.
        title: of the drawing.
    """
    surprising = [None if value is None else -value for value in sentence.values]
    parts = range(sentence.parts, min(sentence.parts + 1, len(sentence.pieces)))
    return tokens(title, UNIT, sentence.pieces, surprising, roles={"parts here": list(parts)}, scale="sequential", note="Darker is less probable.")


def example(scorer: Scorer, pair: Pair, margin: float) -> PairExample:
    """A pair token by token.

    Raises:
        InputError: a sentence that the scorer can't read.
    """
    rows = []
    for row in scorer.rows([pair.good, pair.bad]):
        if isinstance(row, InputError):
            raise row
        rows.append(row)
    left, right = (own(row, scorer) for row in rows)
    parts = alike(left, right)
    good, bad = (
        ScoredSentence(_pieces(text, scorer), [None if math.isnan(value) else value for value in own(values, scorer)], parts)
        for text, values in zip((pair.good, pair.bad), scorer.score(rows), strict=True)
    )
    return PairExample(scorer.name, pair, good, bad, margin)


def hardest(scorer: Scorer, pairs: Sequence[Pair], good: Float[Tensor, " pair"], bad: Float[Tensor, " pair"], n: int) -> list[PairExample]:
    """The pairs whose unacceptable sentence a scorer prefers most."""
    margin = good - bad
    worst = [i for i in margin.argsort(stable=True).tolist() if margin[i] <= 0][:n]
    return [example(scorer, pairs[i], float(margin[i])) for i in worst]


def disagreeing(
    scorers: Sequence[Scorer], pairs: Sequence[Pair], good: Float[Tensor, "model pair"], bad: Float[Tensor, "model pair"], n: int
) -> list[PairExample]:
    """The pairs on which the scorers disagree most: the one that is surest of the good sentence, and the one that is surest of the bad one.

    Scorers count in different units (tokens, words, characters), so a margin counts in that scorer's own median size.
    """
    if len(scorers) < 2:
        return []
    margin = good - bad
    size = margin / margin.abs().nanmedian(1, keepdim=True).values.clamp(min=1e-9)
    high, low = size.nan_to_num(0).max(0), size.nan_to_num(0).min(0)
    apart = high.values.minimum(-low.values)
    chosen = [i for i in apart.argsort(descending=True, stable=True).tolist() if apart[i] > 0][:n]
    return [
        example(scorers[int(side.indices[i])], pairs[i], float(margin[int(side.indices[i]), i])) for i in chosen for side in (high, low)
    ]  # fmt: skip


def _pieces(text: str, scorer: Scorer) -> list[str]:
    """The text cut where tokens begin; what stands between two tokens goes with the later one."""
    spans = scorer.spans(text)
    ends = [0, *(end for _, end in spans)]
    ends[-1] = len(text)
    return [text[ends[i] : max(ends[i], ends[i + 1])] for i in range(len(spans))]
