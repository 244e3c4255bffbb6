"""Words and the tokens that spell them, whatever the tokenizer.

A token belongs to the word that holds its first character that is no white space: a leading space goes with its word, as do bytes that spell one
character together; a token of white space alone goes with the word after it. A token that reaches into a second word stays with the first.

Where tokens begin with a space (GPT-2's, SentencePiece's), that a word is over shows only in the token after it. So the tokens of "the mat" say how
likely a text is to go on with "the mat" or "the matter", and the probability of the word itself is

    p(w | before) = p(tokens of w | before) * p(a word begins | before, w) / p(a word begins | before)

(Pimentel and Meister 2024, "How to compute the probability of a word", theorem 2; Oh and Schuler 2024), where "a word begins" counts the tokens that
begin with white space and the special ones, which end the text. Over all next words these sum to one; the factors cancel from word to word, so
that a text's words differ from its tokens by the first and last factor only. A text that begins without a space has, at its first word, the tokens
without one in the place of those with one.
"""

import re
from bisect import bisect
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Tokenizer
from sonde.behaviour.reading import Reading

SPACE = " \t\n\r\f\v"
_WORD = re.compile(f"[^{SPACE}]+")

Span = tuple[int, int]


def whitespace_words(text: str) -> list[Span]:
    """The words of a text, parted by white space, as spans of characters.

    >>> whitespace_words(" The mat.")
    [(1, 4), (5, 9)]
    """
    return [found.span() for found in _WORD.finditer(text)]


def owners(reading: Reading, words: Sequence[Span]) -> list[int]:
    """The word that each token belongs to; -1 for special tokens and for those outside every word.

    Arguments:
        reading: the text.
        words: spans of characters, in order, that do not overlap.
    """
    starts = [start for start, _ in words]
    places = [None if span is None else _anchor(reading.text, span[0]) for span in reading.spans]
    nearest = [-1 if place is None else bisect(starts, place) - 1 for place in places]
    return [i if i >= 0 and place is not None and place < words[i][1] else -1 for i, place in zip(nearest, places, strict=True)]


def spelling(owner: Sequence[int], n: int) -> list[range]:
    """The tokens of each word, which follow one another; an empty range for a word without a token of its own.

    Arguments:
        owner: the word of each token, -1 for none.
        n: how many words there are.

    >>> spelling([-1, 0, 0, 2], 3)
    [range(1, 3), range(0, 0), range(3, 4)]
    """
    found = [range(0)] * n
    for i, word in enumerate(owner):
        if word >= 0:
            found[word] = range(found[word].start if found[word] else i, i + 1)
    return found


def sums(values: Float[Tensor, " pos"], spelt: Sequence[range]) -> Float[Tensor, " word"]:
    """The sum of each word's tokens; NaN for a word without a token of its own.

    Arguments:
        values: one per token.
        spelt: each word's tokens.
    """
    return torch.tensor([values[own.start : own.stop].double().sum().item() if own else torch.nan for own in spelt])


def beginning(tokenizer: Tokenizer, d_vocab: int) -> Bool[Tensor, "2 vocab"] | None:
    """The tokens that begin a word after white space, and those that begin a text without; special tokens end a text and are in both.

    Arguments:
        tokenizer: the model's.
        d_vocab: the size of the model's vocabulary.

    Returns:
        Two sets of tokens; `None` where no token spells a space, so that none tells where a word ends.
    """
    spaced = torch.tensor([piece[:1] in SPACE and piece != "" for piece in tokenizer.strings(range(d_vocab))])
    ends = torch.zeros(d_vocab, dtype=torch.bool)
    ends[[i for i in (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) if i is not None and i < d_vocab]] = True
    if not (spaced & ~ends).any():
        return None
    return torch.stack([spaced | ends, ~spaced | ends])


def whole(reading: Reading, own: range, span: Span) -> bool:
    """Whether a word is spelt by tokens of its own, from its first character to its last.

    Arguments:
        reading: the text.
        own: the word's tokens.
        span: its characters.
    """
    first, last = (reading.spans[i] if own else None for i in (own.start, own.stop - 1))
    return first is not None and last is not None and (_anchor(reading.text, first[0]), last[1]) == span


def corrections(reading: Reading, spelt: Sequence[range], words: Sequence[Span], sets: Bool[Tensor, "2 vocab"]) -> Float[Tensor, " word"]:
    """What is added to the sum of each word's tokens, in nats: that it ends, less that it begins.

    Arguments:
        reading: the text, its groups being `sets`.
        spelt: each word's tokens.
        words: their spans of characters.
        sets: as `beginning` gives them.

    Returns:
        NaN where a boundary is none between tokens that white space parts, and at a first word with nothing before it.
    """
    added = torch.full((len(words),), torch.nan)
    spaced = sets[0]
    for word, (own, span) in enumerate(zip(spelt, words, strict=True)):
        if own.start == 0 or not whole(reading, own, span):
            continue
        first, after = own.start, own.stop
        starts = bool(spaced[reading.ids[first]])
        opening = reading.spans[first - 1] is None  # nothing of the text stands before it
        ended = after == len(reading.ids) or reading.spans[after] is None or bool(spaced[reading.ids[after]])
        if ended and (starts or opening):
            added[word] = reading.groups[0 if starts else 1, first - 1] - reading.groups[0, after - 1]
    return added


def _anchor(text: str, start: int) -> int:
    while start < len(text) and text[start] in SPACE:
        start += 1
    return start
