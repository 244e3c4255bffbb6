"""What a scorer is: anything that cuts texts into tokens and gives each of them a log-probability."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from sonde.results import InputError, shown

Span = tuple[int, int]


class Scorer(Protocol):
    """Gives every token of a text a log-probability.

    A text's row holds its tokens as numbers, and around them `before` and `after` special ones that belong to no text. Rows are what is scored, so
    that a text is cut only once, and one that can't be read costs the others nothing.
    """

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def kind(self) -> str:
        """What it is: "transformer", "masked", "lstm" or "n-gram"."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided."""
        ...

    @property
    def before(self) -> int:
        """How many special tokens stand before each text."""
        ...

    @property
    def after(self) -> int:
        """How many special tokens stand after each text."""
        ...

    @property
    def hash(self) -> str:
        """A content hash of everything that its numbers depend on."""
        ...

    def rows(self, texts: Sequence[str]) -> "list[list[int] | InputError]":
        """Each text's tokens; in the place of a text that can't be read the error that says why."""
        ...

    def spans(self, text: str) -> list[Span]:
        """Where each of a text's own tokens stands in it, in characters."""
        ...

    def score(self, rows: Sequence[Sequence[int]], progress: bool = False) -> list[list[float]]:
        """The log-probability of each token, in natural logarithms; NaN where a token has none."""
        ...

    def unknown(self, rows: Sequence[Sequence[int]]) -> int:
        """How many tokens of some rows stand for words that the vocabulary lacks."""
        ...

    def control(self, seed: int) -> "Scorer | None":
        """The same scorer without what it learnt about the order of words; `None` where it has no seed left to draw by."""
        ...


T = TypeVar("T")


def own(row: Sequence[T], scorer: Scorer) -> Sequence[T]:
    """What a row holds for the text's own tokens."""
    return row[scorer.before : len(row) - scorer.after]


def unread(text: object) -> InputError | None:
    """Why something is no text; `None` for texts."""
    return None if isinstance(text, str) and text.strip() else InputError(f"{shown(text)} is no text: give at least one word")
