"""The text that all of the small models are trained on: generated, or the user's own, letter by letter.

The generated one holds what each depth can use. Of its new words half follow the one before by rule, as one of its few successors (what a bigram
table knows), and half are any word; by turns a part of the row, 6 to 16 words long, is said again (what only a head can know that finds what followed
the last time). So most of a row has been said before, in it: a text in which induction pays, made for that, and not what a natural text is like.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.results import InputError

WORDS, SUCCESSORS, BY_RULE = 32, 4, 0.5
MOST_LETTERS = 512


@dataclass(frozen=True, eq=False)
class Source:
    """Rows to train on and rows to measure on.

    Arguments:
        name: what it is.
        vocabulary: its tokens.
        rows: rows of token ids: how many, how long, and of which draw.
        held_out: the same of text that no training sees.
    """

    name: str
    vocabulary: list[str]
    rows: Callable[[int, int, str], Int[Tensor, "row pos"]]
    held_out: Callable[[int, int, str], Int[Tensor, "row pos"]]


def generated(seed: int) -> Source:
    """Words by chance, parts of which are said again.

    Arguments:
        seed: of which word may follow which.
    """
    rng = random.Random(f"successors {seed}")
    follow = [rng.sample(range(WORDS), SUCCESSORS) for _ in range(WORDS)]

    def rows(n: int, length: int, draw: str) -> Int[Tensor, "row pos"]:
        dice = random.Random(f"{seed}/{draw}")
        return torch.tensor([_row(dice, follow, length) for _ in range(n)])

    return Source("generated words", [f"w{i}" for i in range(WORDS)], rows, lambda n, length, draw: rows(n, length, f"held out {draw}"))


def _row(dice: random.Random, follow: list[list[int]], length: int) -> list[int]:
    row = [dice.randrange(WORDS)]
    new = dice.randrange(6, 16)
    while len(row) < length:
        for _ in range(new):
            row.append(dice.choice(follow[row[-1]]) if dice.random() < BY_RULE else dice.randrange(WORDS))
        start = dice.randrange(max(1, len(row) - 5))
        row += row[start : start + dice.randrange(6, 17)]
        new = dice.randrange(4)
    return row[:length]


def letters(path: str | Path) -> Source:
    """A text file, letter by letter; its last tenth is held out.

    Arguments:
        path: of the file.

    Raises:
        InputError: it can't be read, is too short, or has too many kinds of letters.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the text in {path} can't be read: {error}") from None
    vocabulary = sorted(set(text))
    if len(text) < 5000 or len(vocabulary) > MOST_LETTERS:
        raise InputError(
            f"{path} has {len(text):,} letters of {len(vocabulary)} kinds: give a text of at least 5,000, and at most {MOST_LETTERS} kinds"
        )
    known = {letter: i for i, letter in enumerate(vocabulary)}
    ids = torch.tensor([known[letter] for letter in text])
    end = len(ids) * 9 // 10

    def windows(part: Tensor) -> Callable[[int, int, str], Int[Tensor, "row pos"]]:
        def rows(n: int, length: int, draw: str) -> Int[Tensor, "row pos"]:
            if length > len(part):
                raise InputError(f"{path} is too short for rows of {length} letters: take a shorter context")
            dice = random.Random(draw)
            starts = torch.tensor([dice.randrange(len(part) - length + 1) for _ in range(n)])
            return part[starts[:, None] + torch.arange(length)]

        return rows

    return Source(Path(path).name, vocabulary, windows(ids[:end]), windows(ids[end:]))
