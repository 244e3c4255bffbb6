"""Surprisal: how little a language model expected each token and each word of a text (Hale 2001; Levy 2008).

    s(w) = -log2 p(w | everything before w)

Tokens are the model's own; words are found by their characters, and their probability takes account of where they end (`sonde.behaviour.words`).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.behaviour.reading import Reading, causal_tokenizer, readings, unknown_words
from sonde.behaviour.words import Span, beginning, corrections, owners, spelling, sums, whitespace_words, whole
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import tokens

if TYPE_CHECKING:
    from polars import DataFrame

Base = Literal[2, "e"]
SHOWN = 4  # words that are named where there are many
BASES: dict[Base, tuple[str, float]] = {2: ("bits", math.log(2)), "e": ("nats", 1.0)}


@dataclass(frozen=True, eq=False, repr=False)
class Surprisal(Result):
    """The surprisal of texts, by token and by word.

    Arguments:
        texts: what was read.
        tokens: each text's tokens, special ones included.
        spans: where each stands in its text, in characters; `None` for special tokens.
        values: the surprisal of each token; NaN where nothing stands before it, and beyond a text's end.
        words: each text's words, as spans of characters.
        word_of: the word that each token belongs to; -1 for none.
        word_values: the surprisal of each word; NaN where it has none, which the notes explain, and beyond a text's last word.
        unit: "bits" or "nats".
        corrected: whether words are corrected for where they end; else they are the sums of their tokens.
        notes: what was decided, and what is missing.
    """

    texts: list[str]
    tokens: list[list[str]]
    spans: list[list[Span | None]]
    values: Float[Tensor, "text pos"]
    words: list[list[Span]]
    word_of: list[list[int]]
    word_values: Float[Tensor, "text word"]
    unit: str
    corrected: bool
    notes: list[str]

    @property
    def total(self) -> Float[Tensor, " text"]:
        """The surprisal of each whole text: the sum over its tokens, special ones left out; NaN where one of them has none."""
        return torch.stack([self.values[i, own].double().sum() for i, own in enumerate(self._own())])

    def to_frame(self) -> "DataFrame":
        """One row per token."""
        import polars as pl

        rows = [
            (i, pos, token, *(span or (None, None)), span is None, of if of >= 0 else None, self.values[i, pos].item())
            for i, row in enumerate(self.tokens)
            for pos, (token, span, of) in enumerate(zip(row, self.spans[i], self.word_of[i], strict=True))
        ]
        return pl.DataFrame(rows, ["text", "pos", "token", "start", "end", "special", "word", "surprisal"], orient="row")

    def words_frame(self) -> "DataFrame":
        """One row per word."""
        import polars as pl

        rows = [
            (i, j, self.texts[i][start:end], start, end, self.word_of[i].count(j), self.word_values[i, j].item())
            for i, words in enumerate(self.words)
            for j, (start, end) in enumerate(words)
        ]
        return pl.DataFrame(rows, ["text", "word", "string", "start", "end", "tokens", "surprisal"], orient="row")

    def drawing(self, text: int = 0, by: Literal["token", "word"] = "token") -> Drawing:
        """One text, coloured by how surprising its tokens or its words are.

        Arguments:
            text: which one.
            by: what is coloured.
        """
        whole = self.texts[text]
        if by == "word":
            ends = [0, *(end for _, end in self.words[text])]
            pieces = [whole[start:end] for start, end in itertools.pairwise(ends)]
            values, about = self.word_values[text, : len(pieces)], "words, corrected for where they end" if self.corrected else "sums over tokens"
        else:
            pieces, values, about = self.tokens[text], self.values[text, : len(self.tokens[text])], "nothing stands before what has no colour"
        total = self.total[text].item()
        sum_ = "" if math.isnan(total) else f"{total:.4g} {self.unit} in all; "
        return tokens(f"How surprising is each {by}?", self.unit, pieces, values, scale="sequential", note=f"{sum_}{about}.")

    def _own(self) -> list[list[int]]:
        return [[i for i, span in enumerate(row) if span is not None] for row in self.spans]


def surprisal(
    model: Model,
    texts: str | Sequence[str],
    base: Base = 2,
    words: Sequence[Sequence[Span]] | None = None,
    bos: bool | None = None,
    correct_boundaries: bool = True,
    stride: int | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
) -> Surprisal:
    """How surprising each token and each word of some texts is to a model.

    Arguments:
        model: a causal language model with its tokenizer.
        texts: one text, or several.
        base: 2 for bits, "e" for nats.
        words: for each text the words, as spans of characters that follow one another; by default what white space parts.
        bos: whether the beginning-of-sequence token comes first, without which the first token has no surprisal; by default as the tokenizer does.
        correct_boundaries: count in a word's probability that it ends where it does; without, a word is the sum of its tokens. Tokenizers whose
            tokens spell no spaces need no such correction, and get none.
        stride: for texts beyond the context: read in windows, each holding so many new tokens.
        batch_size: rows per pass.
        progress: show a bar.

    Raises:
        InputError: a model that is no causal language model; an empty text, one beyond the context without `stride`; words that overlap or are not
            within their text.

    >>> import sonde
    >>> found = surprisal(sonde.load("specimen:words"), "The keys on the cabinet are old.")
    >>> [round(value, 1) for value in found.word_values[0].tolist()]
    [...]
    """
    if not isinstance(texts, Sequence):
        raise InputError(f"{shown(texts)} is no text: give one, or a list of several")
    texts = [texts] if isinstance(texts, str) else list(texts)
    if base not in BASES:
        raise InputError(f"base={shown(base)}: use 2 for bits or 'e' for nats")
    if not texts:
        raise InputError("no text: give at least one")
    if strange := [text for text in texts if not isinstance(text, str)]:
        raise InputError(f"{shown(strange[0])} is no text: give one, or a list of several")
    wanted = [whitespace_words(text) if words is None else _checked(i, text, words) for i, text in enumerate(texts)]
    tokenizer = causal_tokenizer(model)
    sets = beginning(tokenizer, model.architecture.d_vocab) if correct_boundaries else None
    read = readings(model, texts, bos, stride, sets, batch_size, progress)
    unit, nat = BASES[base]
    owner = [owners(reading, spans) for reading, spans in zip(read, wanted, strict=True)]
    spelt = [spelling(of, len(spans)) for of, spans in zip(owner, wanted, strict=True)]
    by_word = [sums(reading.nats, own) for reading, own in zip(read, spelt, strict=True)]
    if sets is not None:
        parts = zip(by_word, read, spelt, wanted, strict=True)
        by_word = [value + corrections(reading, own, spans, sets) for value, reading, own, spans in parts]
    asked = {"base": base, "words": words is not None, "bos": bos, "correct_boundaries": correct_boundaries, "stride": stride}
    return Surprisal(
        texts=texts,
        tokens=[reading.tokens for reading in read],
        spans=[reading.spans for reading in read],
        values=_padded([reading.nats / nat for reading in read]),
        words=[list(spans) for spans in wanted],
        word_of=owner,
        word_values=_padded([value / nat for value in by_word]),
        unit=unit,
        corrected=sets is not None,
        notes=[*_notes(model, read, correct_boundaries, sets is not None, stride), *_exceptions(read, wanted, spelt, by_word)],
        recipe=Recipe.of("sonde.behaviour.surprisal", asked, model_hash=model.hash, inputs=[texts, [list(map(list, spans)) for spans in wanted]]),
    )


def _checked(i: int, text: str, words: Sequence[Sequence[Span]]) -> list[Span]:
    """The words asked for in one text."""
    if i >= len(words):
        raise InputError(f"words= has {len(words)} entries, and there is a text {i}: give the words of each text")
    if not isinstance(words[i], Sequence) or not all(isinstance(span, Sequence) and len(span) == 2 for span in words[i]):
        raise InputError(f"the words of text {i} are {shown(words[i])}: give spans of characters, such as [(0, 3), (4, 8)]")
    spans, at = [], 0
    for start, end in words[i]:
        if not at <= start < end <= len(text):
            raise InputError(f"text {i} has {len(text)} characters, and its word ({start}, {end}) is not one after {at}: give spans in order, apart")
        spans.append((start, end))
        at = end
    return spans


def _notes(model: Model, read: Sequence[Reading], asked: bool, corrected: bool, stride: int | None) -> list[str]:
    """What was decided for all texts."""
    notes = []
    first = read[0]
    if first.spans[0] is None:
        notes.append(f"special token {first.tokens[0]!r} put before each text: the first word has a surprisal")
    else:
        way_out = "; bos=True puts a special token there" if model.tokenizer and model.tokenizer.bos_id is not None else ""
        notes.append(f"nothing stands before the first token, so it and its word have no surprisal (NaN){way_out}")
    if asked and not corrected:
        notes.append("no token of this tokenizer spells a space, so words are the sums of their tokens")
    notes += unknown_words(model, read)
    windowed = sum(len(reading.ids) > model.context > 0 for reading in read)
    if windowed:
        notes.append(
            f"{windowed} {'text' if windowed == 1 else 'texts'} beyond the context of {model.context} tokens read in windows of {stride} new tokens: "
            f"each has at least {model.context - (stride or 0)} before it"
        )
    return notes


def _exceptions(read: Sequence[Reading], words: Sequence[list[Span]], spelt: Sequence[list[range]], values: Sequence[Tensor]) -> list[str]:
    """The words whose tokens are not theirs alone, and those that have no surprisal for it."""
    found = []
    for reading, spans, by_word, value in zip(read, words, spelt, values, strict=True):
        for word, (own, (start, end)) in enumerate(zip(by_word, spans, strict=True)):
            if not whole(reading, own, (start, end)):
                missing = ", and has no surprisal" if value[word].isnan() else ""
                found.append(f"{reading.text[start:end]!r}{missing}")
    if not found:
        return []
    more = ", ..." if len(found) > SHOWN else ""
    return [f"{len(found)} words begin or end within a token, which belongs to where it begins: {'; '.join(found[:SHOWN])}{more}"]


def _padded(rows: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=torch.nan)
