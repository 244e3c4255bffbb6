"""A masked language model as a scorer: each token is hidden in turn, and its probability given all others is its score.

    PLL(text) = sum over i of log p(t_i | text without t_i)

(Salazar et al. 2020, "Masked language model scoring".) A pseudo-log-likelihood is no log-probability of the text, and a word of several tokens gives
itself away: its other pieces stand beside the hidden one. Within-word left-to-right scoring hides those that follow in the same word too (Kauf and
Ivanova 2023, "A better way to do masked language model scoring").
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sonde.access import Model, Tokenizer
from sonde.behaviour.scorers.scorer import Span, unread
from sonde.jobs import rows_within, track
from sonde.nn import permuted
from sonde.results import InputError, content_hash, shown

Within = Literal["pll", "pll-word-l2r"]
WORKSPACE = 2**28  # bytes that the logits of one batch may take


@dataclass(frozen=True)
class MaskedScorer:
    """A model that fills in hidden tokens.

    Arguments:
        model: with its tokenizer, which has a mask token.
        within: "pll" hides one token at a time, "pll-word-l2r" also those after it in the same word.
        batch_size: rows per pass.

    Raises:
        InputError: a model that fills in nothing, or whose tokenizer has no mask token.
    """

    model: Model
    within: Within = "pll-word-l2r"
    batch_size: int | Literal["auto"] = "auto"
    kind: str = field(default="masked", init=False)

    def __post_init__(self) -> None:
        if self.model.architecture.causal or not self.model.architecture.unembed or self.model.tokenizer is None:
            raise InputError(f"{self.name} is no masked language model with a tokenizer: pseudo-log-likelihood hides tokens and has them filled in")
        if self._tokenizer.mask_id is None:
            raise InputError(f"the tokenizer of {self.name} has no mask token, so nothing can be hidden: load the model's own tokenizer")

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def hash(self) -> str:
        """Of the model and of what is hidden."""
        return content_hash([self.model.hash, self.within])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the scores are."""
        also = " and the later ones of its word" if self.within == "pll-word-l2r" else ""
        return (f"{self.name}: pseudo-log-likelihood: each token hidden in turn{also}; no probability of a whole text",)

    @property
    def before(self) -> int:
        """How many special tokens come first."""
        return self._around[0]

    @property
    def after(self) -> int:
        """How many special tokens come last."""
        return self._around[1]

    @property
    def _tokenizer(self) -> Tokenizer:
        assert self.model.tokenizer is not None
        return self.model.tokenizer

    @property
    def _around(self) -> tuple[int, int]:
        special = [span is None for span in self._tokenizer.located("a")]
        return special.index(False), special[::-1].index(False)

    def rows(self, texts: Sequence[str]) -> list[list[int] | InputError]:
        """Each text's tokens with the special ones around them, or why it can't be read."""
        found: list[list[int] | InputError] = []
        for text in texts:
            row = unread(text) or self._row(text)
            found.append(row)
        return found

    def _row(self, text: str) -> list[int] | InputError:
        try:
            row = self._tokenizer.encode(text)
        except InputError as error:
            return error
        if self.model.context and len(row) > self.model.context:
            return InputError(f"{shown(text, 40)} has {len(row)} tokens and the context of {self.name} is {self.model.context}: shorten it")
        return row

    def spans(self, text: str) -> list[Span]:
        """Where each token stands in the text."""
        return [span for span in self._tokenizer.located(text) if span is not None]

    def score(self, rows: Sequence[Sequence[int]], progress: bool = False) -> list[list[float]]:
        """The log-probability of each token given the others; NaN for special ones."""
        values = [[float("nan")] * len(row) for row in rows]
        hidden = sorted(self._hidden(rows), key=lambda one: -len(one[2]))
        for batch in track(list(self._batches(hidden)), "filling in", shown=progress):
            logits = self.model.run([ids for *_, ids in batch]).logits
            for k, (row, i, _) in enumerate(batch):
                values[row][i] = float(logits[k, i].float().log_softmax(-1)[rows[row][i]])
        return values

    def _hidden(self, rows: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, list[int]]]:
        """Every token of every row: the row, its place, and the row in which it is hidden."""
        mask = self._tokenizer.mask_id
        assert mask is not None
        for k, row in enumerate(rows):
            word = self._words(row) if self.within == "pll-word-l2r" else list(range(len(row)))
            for i in range(self.before, len(row) - self.after):
                yield k, i, [mask if j == i or (j > i and word[j] == word[i]) else token for j, token in enumerate(row)]

    def _words(self, row: Sequence[int]) -> list[int]:
        """The word that each token belongs to, counted."""
        inside = row[self.before : len(row) - self.after]
        starts = [True] * self.before + [not goes_on for goes_on in self._tokenizer.continues(inside)] + [True] * self.after
        return list(itertools.accumulate(map(int, starts)))

    def _batches(self, hidden: Sequence[tuple[int, int, list[int]]]) -> Iterator[Sequence[tuple[int, int, list[int]]]]:
        while hidden:
            row = 2 * 4 * len(hidden[0][2]) * max(1, self.model.architecture.d_vocab)
            n = max(1, min(rows_within(row), WORKSPACE // row)) if self.batch_size == "auto" else self.batch_size
            yield hidden[:n]
            hidden = hidden[n:]

    def unknown(self, rows: Sequence[Sequence[int]]) -> int:
        """How many tokens stand for words that the vocabulary lacks."""
        return 0 if self._tokenizer.unknown_id is None else sum(row.count(self._tokenizer.unknown_id) for row in rows)

    def control(self, seed: int) -> "MaskedScorer":
        """The same network with the entries of its weights in random order."""
        broken = Model(permuted(self.model.module, seed), self.model.tokenizer, f"{self.name}, weights permuted", self.model.processor)
        return MaskedScorer(broken, self.within, self.batch_size)
