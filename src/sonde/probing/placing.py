"""From characters to tokens: where each example stands in the rows that a model reads.

A word is every token that spells one of its characters. A tokenizer that joins it with a neighbour ("don't" as one token) leaves no token that is the
word alone: such words are counted and named, never hidden.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sonde.access import Model
from sonde.probing.labelled import Labelled, Span
from sonde.results import InputError, SondeError, shown


@dataclass(frozen=True, eq=False)
class Placed:
    """Where examples stand in rows of tokens.

    Arguments:
        rows: token ids of each text that is read, by its number.
        kept: numbers of the examples that can be read.
        ranges: of these, the first token and the one after the last of each span; of the whole text where they have none.
        notes: what was left out, and words that share a token.
    """

    rows: dict[int, list[int]]
    kept: list[int]
    ranges: list[tuple[Span, ...]]
    notes: tuple[str, ...]


def placed(model: Model, data: Labelled) -> Placed:
    """Find the tokens of examples; a text that the model can't take is left out whole and named.

    Arguments:
        model: its tokenizer reads texts.
        data: texts or rows of token ids.

    Raises:
        InputError: texts without a tokenizer, or with one that does not tell where its tokens stand; no example that the model can take.
    """
    tokens: dict[int, Tokens] = {}
    troubles: list[str] = []
    numbers = data.text.unique().tolist()
    for number in numbers:
        one: Any = data.texts[number]
        try:
            tokens[number] = tokens_of(model, one) if isinstance(one, str) else ids_of(model, one)
        except SondeError as error:
            if len(numbers) == 1 or model.tokenizer is None:
                raise
            troubles.append(f"text {number}: {error}")
    kept: list[int] = []
    ranges: list[tuple[Span, ...]] = []
    empty: list[str] = []
    joined: list[str] = []
    for i, (number, spans) in enumerate(zip(data.text.tolist(), data.spans, strict=True)):
        if number not in tokens:
            continue
        found = tuple(map(tokens[number].of_span, spans)) or (tokens[number].whole,)
        if any(start >= stop for start, stop in found):
            empty.append(data.words(i))
            continue
        kept.append(i)
        ranges.append(found)
        joined += [data.words(i) for span, place in zip(spans, found, strict=False) if tokens[number].shares(span, place)]
    notes = _notes(troubles, len(numbers), empty, joined)
    if not kept:
        raise InputError(f"{data.name!r} has no example that {model.name} can take: {'; '.join(notes)}")
    return Placed({number: row.ids for number, row in tokens.items()}, kept, ranges, notes)


@dataclass(frozen=True, eq=False)
class Tokens:
    """One text as tokens.

    Arguments:
        ids: all that the model reads, special ones too.
        whole: the first token of the text and the one after its last: special tokens around it are none of it.
        numbers: of the tokens that a span may name.
        starts, stops: the characters of each of these; of a row of ids its positions.
        text: what the characters are of; empty for a row of ids.
    """

    ids: list[int]
    whole: Span
    numbers: list[int]
    starts: list[int]
    stops: list[int]
    text: str = ""

    def of_span(self, span: Span) -> Span:
        """The tokens that spell a character of a span; none where the second number is not the larger."""
        first, after = bisect_right(self.stops, span[0]), bisect_left(self.starts, span[1])
        return (self.numbers[first], self.numbers[after - 1] + 1) if first < after else (0, 0)

    def shares(self, span: Span, place: Span) -> bool:
        """Whether these tokens of a span spell other characters too, spaces left out."""
        first, last = self.numbers.index(place[0]), self.numbers.index(place[1] - 1)
        outside = self.text[self.starts[first] : span[0]] + self.text[span[1] : self.stops[last]]
        return bool(outside.strip())


def tokens_of(model: Model, text: str) -> Tokens:
    """A text as the model's tokens.

    Arguments:
        model: its tokenizer reads the text.
        text: any text.

    Raises:
        InputError: no tokenizer, or one that does not tell where its tokens stand; a text beyond the context.
    """
    if model.tokenizer is None:
        raise InputError(f"{model.name} was loaded without a tokenizer and can't read texts: give rows of token ids, or load it with tokenizer=")
    places = model.tokenizer.located(text)
    spelt = [(i, *place) for i, place in enumerate(places) if place is not None and place[0] < place[1]]
    numbers, starts, stops = (list(column) for column in zip(*spelt, strict=True)) if spelt else ([], [], [])
    ids = model.tokenizer.encode(text)
    _refuse_long(model, ids)
    return Tokens(ids, (numbers[0], numbers[-1] + 1) if numbers else (0, 0), numbers, starts, stops, text)


def ids_of(model: Model, ids: Sequence[int]) -> Tokens:
    """A row of token ids, which its positions name.

    Arguments:
        model: its tokenizer, if it has one, says which tokens are special: those at the ends are no part of the whole, but a span may name them.
        ids: the row.

    Raises:
        InputError: a row beyond the context.
    """
    _refuse_long(model, ids)
    special = frozenset() if model.tokenizer is None else model.tokenizer.special
    own = [i for i, token in enumerate(ids) if token not in special]
    numbers = list(range(len(ids)))
    return Tokens(list(ids), (own[0], own[-1] + 1) if own else (0, 0), numbers, numbers, [i + 1 for i in numbers])


def _refuse_long(model: Model, ids: Sequence[int]) -> None:
    if model.context and len(ids) > model.context:
        raise InputError(f"it has {len(ids)} tokens and the context of {model.name} is {model.context}: shorten it (sonde never cuts a text)")


def _notes(troubles: Sequence[str], texts: int, empty: Sequence[str], joined: Sequence[str]) -> tuple[str, ...]:
    """What is to be said about the placing."""
    notes = []
    if troubles:
        notes.append(f"{len(troubles)} of {texts} texts were left out, such as {troubles[0]}")
    if empty:
        notes.append(f"{len(empty)} examples were left out, since the tokenizer makes no token of them, such as {shown(empty[0], 40)}")
    if joined:
        some = ", ".join(shown(word, 40) for word in list(dict.fromkeys(joined))[:3])
        notes.append(f"{len(joined)} spans share a token with other characters, such as {some}: what is read there is not theirs alone")
    return tuple(notes)
