"""A prompt as a person reads it (words, with their classes) and as the model does (tokens), and the way from one to the other."""

import functools
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sonde.access import Model, Tokenizer
from sonde.results import InputError
from sonde.tasks.lexicon import Lexicon, Sense, english

T = TypeVar("T")

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")


@dataclass(frozen=True)
class Word:
    """A word and where it stands in its text, in characters."""

    text: str
    start: int
    end: int


class Prompt:
    """A text with its words and its tokens.

    Arguments:
        text: the text.
        tokenizer: the model's.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        lexicon: classes of words.
    """

    def __init__(self, text: str, tokenizer: Tokenizer, bos: bool | None = None, lexicon: Lexicon | None = None):
        if not text.strip():
            raise InputError(f"the prompt {text!r} is empty: give at least one word")
        self.text, self.tokenizer, self.bos, self.lexicon = text, tokenizer, bos, lexicon or english()
        self.words = tuple(Word(found[0], found.start(), found.end()) for found in _WORD.finditer(text))

    @functools.cached_property
    def ids(self) -> tuple[int, ...]:
        """The text's tokens, with the special ones that stand before it."""
        return tuple(self.tokenizer.encode(self.text, self.bos))

    @functools.cached_property
    def strings(self) -> tuple[str, ...]:
        """The text of each token."""
        return tuple(self.tokenizer.strings(self.ids))

    @property
    def specials(self) -> int:
        """How many special tokens stand before the text."""
        return 1 if self.ids[0] == self.tokenizer.bos_id else 0

    def sense(self, word: Word) -> Sense | None:
        """What a word is; `None` for words of no class."""
        return self.lexicon.sense(word.text)

    def members(self, name: str) -> list[Word]:
        """The words of a class, in their order."""
        return [word for word in self.words if self.lexicon.is_a(word.text, name)]

    def continued(self, word: str) -> str:
        """A word as it would follow the prompt: with a space before it, unless the prompt ends with one."""
        return word if self.text[-1].isspace() else f" {word}"

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """The items in an order that the text alone decides, so that what is tried first is no habit, and the same every time."""
        items = list(items)
        return random.Random(self.text).sample(items, len(items))

    def replaced(self, changes: Mapping[Word, str]) -> str:
        """The text with some of its words exchanged."""
        text = self.text
        for word in sorted(changes, key=lambda w: -w.start):
            text = text[: word.start] + changes[word] + text[word.end :]
        return text

    def positions(self, word: Word) -> tuple[int, ...]:
        """The tokens that spell a word, its leading space among them."""
        # a tokenizer may see a closing space as a token of its own, so the text before is cut before it
        before = self.text[: word.start].rstrip(" ")
        return tuple(range(len(self.tokenizer.encode(before, self.bos)), len(self.tokenizer.encode(self.text[: word.end], self.bos))))


def tokenizer_of(model: Model) -> Tokenizer:
    """The model's tokenizer; raises `InputError` where it has none."""
    if model.tokenizer is None:
        raise InputError("this model was loaded without a tokenizer, and tasks are made of text: load it with tokenizer=")
    return model.tokenizer
