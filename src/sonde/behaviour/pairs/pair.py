"""One minimal pair, and where its two sentences part."""

from collections.abc import Sequence
from dataclasses import dataclass

from sonde.results import InputError


@dataclass(frozen=True)
class Critical:
    """What a prefix method compares: a word after a text, in both sentences.

    Arguments:
        good: the text and the word of the acceptable sentence.
        bad: those of the other.
    """

    good: tuple[str, str]
    bad: tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """An acceptable sentence and one that is not.

    Arguments:
        good: the acceptable one.
        bad: the other.
        paradigm: the pattern that it was made by.
        phenomenon: what that is a case of.
        one_prefix, two_prefix: what the prefix methods compare, where a file says it; otherwise it is found by comparing the sentences.
        unsuited: the methods that the file itself says do not suit.
        place: where it was read, "file:line".
    """

    good: str
    bad: str
    paradigm: str = "pairs"
    phenomenon: str = "pairs"
    one_prefix: Critical | None = None
    two_prefix: Critical | None = None
    unsuited: tuple[str, ...] = ()
    place: str = ""

    @property
    def identical(self) -> bool:
        """Whether both hold the same words in another order, so that no bag of words can tell them apart."""
        return sorted(self.good.split()) == sorted(self.bad.split())

    def critical(self, method: str) -> Critical:
        """What a prefix method compares.

        Arguments:
            method: "one-prefix": two words after the same text; "two-prefix": the same word after two texts.

        Raises:
            InputError: the pair has no such place.
        """
        if method in self.unsuited:
            raise InputError(f"its file says that {method} does not suit it")
        given = self.one_prefix if method == "one-prefix" else self.two_prefix
        return given or (_one_prefix(self) if method == "one-prefix" else _two_prefix(self))


def _one_prefix(pair: Pair) -> Critical:
    """The first word in which the sentences differ, after what they share."""
    good, bad = pair.good.split(), pair.bad.split()
    shared = alike(good, bad)
    if not shared or shared in (len(good), len(bad)):
        raise InputError("its sentences share no beginning after which words differ, so one-prefix compares nothing")
    before = " ".join(good[:shared])
    return Critical((before, good[shared]), (before, bad[shared]))


def _two_prefix(pair: Pair) -> Critical:
    """The first word that both share again, after what differs."""
    good, bad = pair.good.split(), pair.bad.split()
    shared = alike(good, bad)
    ending = alike(good[shared:][::-1], bad[shared:][::-1])
    if not ending or ending in (len(good), len(bad)):
        raise InputError("its sentences share no word after what differs, so two-prefix compares nothing")
    return Critical((" ".join(good[:-ending]), good[-ending]), (" ".join(bad[:-ending]), bad[-ending]))


def alike(left: Sequence[object], right: Sequence[object]) -> int:
    """How many entries both have in common at their beginning.

    >>> alike("keys are", "keys is")
    5
    """
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
