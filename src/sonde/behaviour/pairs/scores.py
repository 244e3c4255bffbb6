"""The two scores of each pair: of the whole sentences, or of the critical word after its prefix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.behaviour.pairs.pair import Critical, Pair
from sonde.behaviour.scorers.scorer import Scorer, own
from sonde.behaviour.scorers.sentences import PREFIX, Normalise, total
from sonde.results import InputError, shown

Method = Literal["sentence", "one-prefix", "two-prefix", "pll", "pll-word-l2r"]


@dataclass(frozen=True, eq=False)
class PairScores:
    """What one scorer says of some pairs.

    Arguments:
        values: of the good and the bad sentences; NaN for pairs that could not be scored.
        problems: why those could not.
        notes: what was decided.
    """

    values: Float[Tensor, "2 pair"]
    problems: list[str]
    notes: list[str]


@dataclass(frozen=True)
class _Ready:
    """A pair that can be scored: which one, its rows, and at which of its own tokens each begins to count."""

    pair: int
    rows: tuple[list[int], list[int]]
    starts: tuple[int, int]


def pair_scores(scorer: Scorer, pairs: Sequence[Pair], method: Method, normalise: Normalise, progress: bool = False) -> PairScores:
    """Score pairs.

    Arguments:
        scorer: what scores.
        pairs: what is scored.
        method: whole sentences, or a word after a prefix.
        normalise: for whole sentences: what they are divided by.
        progress: show a bar.

    Raises:
        InputError: a method that the scorer does not have.
    """
    if method in PREFIX and normalise:
        raise InputError(f"normalise={normalise!r} divides whole sentences, and {method} scores a word: leave it out")
    ready, problems = _readied(scorer, pairs, method)
    values = scorer.score([row for one in ready for row in one.rows], progress)
    scores = torch.full((2, len(pairs)), torch.nan, dtype=torch.float64)
    unscored = 0
    for one, good, bad in zip(ready, values[::2], values[1::2], strict=True):
        pair = pairs[one.pair]
        for side, (row, text) in enumerate(((good, pair.good), (bad, pair.bad))):
            scores[side, one.pair] = total(own(row, scorer)[one.starts[side] :], text, normalise)
        if method not in PREFIX:
            unscored += math.isnan(own(good, scorer)[0]) and own(one.rows[0], scorer)[0] != own(one.rows[1], scorer)[0]
    notes = list(scorer.notes)
    if unscored:
        notes.append(f"{scorer.name}: {unscored:,} pairs differ in their first token, which has no probability: bos='eos' puts a token before it")
    if n := scorer.unknown([row for one in ready for row in one.rows]):
        notes.append(f"{scorer.name}: {n:,} words of these sentences are unknown to it, and have the probability of any such word")
    return PairScores(scores, problems, notes)


def _readied(scorer: Scorer, pairs: Sequence[Pair], method: Method) -> tuple[list[_Ready], list[str]]:
    """The pairs that can be scored, and why others can't."""
    problems: list[str] = []
    kept: list[tuple[int, Critical | None]] = []
    for i, pair in enumerate(pairs):
        try:
            if method == "sentence" and method in pair.unsuited:
                raise InputError("its file says that whole sentences do not suit it")
            kept.append((i, pair.critical(method) if method in PREFIX else None))
        except InputError as error:
            problems.append(f"{pair.place or f'pair {i}'}: {error}")
    texts = [text for i, both in kept for text in ((pairs[i].good, pairs[i].bad) if both is None else (" ".join(both.good), " ".join(both.bad)))]
    rows = scorer.rows(texts)
    ready = []
    for (i, both), good, bad in zip(kept, rows[::2], rows[1::2], strict=True):
        try:
            if isinstance(good, InputError):
                raise good
            if isinstance(bad, InputError):
                raise bad
            ready.append(_Ready(i, (good, bad), (0, 0) if both is None else _starts(scorer, both, method, good, bad)))
        except InputError as error:
            problems.append(f"{pairs[i].place or f'pair {i}'}: {scorer.name}: {error}")
    return ready, problems


def _starts(scorer: Scorer, both: Critical, method: Method, good: Sequence[int], bad: Sequence[int]) -> tuple[int, int]:
    """At which of its own tokens the critical word begins in both; raises where the tokens do not part as the words do."""
    starts = []
    for before, word in (both.good, both.bad):
        spans = scorer.spans(f"{before} {word}")
        start = next(i for i, (_, end) in enumerate(spans) if end > len(before) + 1)
        if spans[start][0] < len(before):
            raise InputError(f"its tokenizer joins {shown(word, 40)} with the word before it, so the word has no score of its own")
        # a space that is a token of its own belongs to the word after it
        starts.append(start - (start > 0 and spans[start - 1] == (len(before), len(before) + 1)))
    left, right = own(good, scorer), own(bad, scorer)
    if method == "one-prefix" and left[: starts[0]] != right[: starts[1]]:
        raise InputError(f"its tokenizer cuts {shown(both.good[0], 40)} otherwise before {both.good[1]!r} than before {both.bad[1]!r}")
    if method == "two-prefix" and left[starts[0] :] != right[starts[1] :]:
        raise InputError(f"its tokenizer cuts {both.good[1]!r} otherwise after the one prefix than after the other")
    return starts[0], starts[1]
