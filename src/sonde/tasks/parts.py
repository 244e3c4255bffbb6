"""Search data apart from evaluation data: what is found on one part is judged on another.

Two examples belong together where they are made of the same words, in whatever order, number or form ("The dog near the cats" and "The dogs near the
cat"): a method that learnt the one by heart would know the other. Such examples never come into different parts.
"""

import re
import zlib
from typing import Literal, get_args

from sonde.results import InputError, shown
from sonde.tasks.lexicon import english

Part = Literal["search", "evaluate"]


def words_of(text: str) -> tuple[str, ...]:
    """The distinct words of a text, each in its first form, in alphabetical order: the same for texts that belong together.

    >>> words_of("The dogs near the cat") == words_of("The cat near the dog")
    True
    """
    lexicon = english()
    senses = {word: lexicon.sense(word) for word in re.findall(r"\w+", text)}
    return tuple(sorted({(sense.entry.forms[0] if sense else word).lower() for word, sense in senses.items()}))


def part_of(text: str) -> Part:
    """The part that a text belongs to, by its words alone: half of all texts belong to each, whatever the seed and the task."""
    return "search" if zlib.crc32(" ".join(words_of(text)).encode()) % 2 else "evaluate"


def known_part(part: str | None) -> None:
    """Raise `InputError` for a part that there is not."""
    if part is not None and part not in get_args(Part):
        raise InputError(f"part={shown(part)}: use 'search' to find something and 'evaluate' to judge it, or leave it out for both")
