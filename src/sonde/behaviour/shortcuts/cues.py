"""Cues as values: how one is put into an input and taken out of it, and what is put and taken as a control.

The control does as much to the input without the cue: what another picture has at the same place, another word, another column of another row.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

TOLERANCE = 0.15
"""How far, in the mean over its pixels, a window may be from one that was found in real pictures, to count as the same."""


@dataclass(frozen=True, eq=False)
class Cue:
    """Something in an input that may be a shortcut to a class.

    Arguments:
        name: what it is called.
        outcome: the class that it may lead to.
        has: which inputs hold it.
        put: all inputs with it.
        take: all inputs without it.
        put_other: all inputs, with as much of something else put in; of a seed.
        take_other: all inputs, with as much of something else taken out; of a seed.
    """

    name: str
    outcome: int
    has: Callable[[Any], list[bool]] = field(repr=False)
    put: Callable[[Any], Any] = field(repr=False)
    take: Callable[[Any], Any] = field(repr=False)
    put_other: Callable[[Any, int], Any] = field(repr=False)
    take_other: Callable[[Any, int], Any] = field(repr=False)


def patch(
    mark: Float[Tensor, "channel height width"], at: tuple[int, int], outcome: int, fill: float | Float[Tensor, "channel height width"] = 0.0,
    name: str = "", tolerance: float = 1e-3,
) -> Cue:  # fmt: skip
    """A mark in pictures.

    Arguments:
        mark: its pixels.
        at: row and column of its upper left corner.
        outcome: the class that it may lead to.
        fill: what is written where it is taken out: the background.
        name: what it is called.
        tolerance: how far the mean pixel of a picture may be from the mark's, for the picture to have it.

    >>> cue = patch(torch.ones(1, 2, 2), at=(0, 0), outcome=3)
    >>> cue.has(cue.put(torch.zeros(1, 1, 4, 4))), cue.take(torch.ones(1, 1, 4, 4)).sum().item()
    ([True], 12.0)
    """
    channels, height, width = mark.shape
    (row, col), filling = at, torch.as_tensor(fill).expand(mark.shape)

    def written(pictures: Tensor, content: Tensor, top: int = row, left: int = col) -> Tensor:
        inside = pictures.ndim == 4 and pictures.shape[1] == channels and top >= 0 and left >= 0
        if not inside or top + height > pictures.shape[2] or left + width > pictures.shape[3]:
            raise InputError(f"a mark of {tuple(mark.shape)} at row {top}, column {left} is not inside pictures of {tuple(pictures.shape)}")
        changed = pictures.clone()
        changed[:, :, top : top + height, left : left + width] = content
        return changed

    def has(pictures: Tensor) -> list[bool]:
        there = pictures[:, :, row : row + height, col : col + width]
        return ((there - mark).abs().flatten(1).mean(1) <= tolerance).tolist()

    def put_other(pictures: Tensor, seed: int) -> Tensor:
        # what pictures without the mark have there
        free = pictures[[not held for held in has(pictures)]]
        pool = free if len(free) else pictures
        donors = torch.randint(len(pool), (len(pictures),), generator=torch.Generator().manual_seed(seed))
        return written(pictures, pool[donors][:, :, row : row + height, col : col + width])

    def take_other(pictures: Tensor, seed: int) -> Tensor:
        rng = random.Random(seed)
        changed = pictures.clone()
        for i in range(len(pictures)):
            places = [
                (r, c)
                for r in range(pictures.shape[2] - height + 1)
                for c in range(pictures.shape[3] - width + 1)
                if abs(r - row) >= height or abs(c - col) >= width
            ]
            top, left = rng.choice(places)
            changed[i : i + 1] = written(changed[i : i + 1], filling, top, left)
        return changed

    label = name or f"a mark of {height} x {width} at row {row}, column {col}"
    return Cue(label, outcome, has, lambda pictures: written(pictures, mark), lambda pictures: written(pictures, filling), put_other, take_other)


def usual_window(mark: Float[Tensor, "channel height width"], at: tuple[int, int], outcome: int, fill: Float[Tensor, "channel height width"]) -> Cue:
    """A window that was found in pictures of a class, not planted: recognised within a tolerance, since pictures differ.

    Arguments:
        mark: what most pictures of the class have there.
        at: row and column of its upper left corner.
        outcome: the class.
        fill: what most pictures of other classes have there.
    """
    _, height, width = mark.shape
    name = f"the usual {height} x {width} window at row {at[0]}, column {at[1]}"
    return patch(mark, at, outcome, fill, name, TOLERANCE)


def word(token: str, outcome: int) -> Cue:
    """A word in texts; it is put first, and taken out wherever it stands.

    Arguments:
        token: the word, without spaces.
        outcome: the class that it may lead to.

    >>> cue = word("indeed", outcome=1)
    >>> cue.put(["it rains"]), cue.take(["indeed it rains"])
    (['indeed it rains'], ['it rains'])
    """
    if not token or token != token.strip() or " " in token:
        raise InputError(f"{token!r} is no single word: give one without spaces")

    def put_other(texts: Sequence[str], seed: int) -> list[str]:
        rng = random.Random(seed)
        pool = [one for text in texts for one in text.split() if one != token] or [token]
        return [f"{rng.choice(pool)} {text}" for text in texts]

    def take_other(texts: Sequence[str], seed: int) -> list[str]:
        rng = random.Random(seed)
        return [_without_one(text, token, rng) for text in texts]

    return Cue(
        f"the word {token!r}",
        outcome,
        lambda texts: [token in text.split() for text in texts],
        lambda texts: [text if token in text.split() else f"{token} {text}" for text in texts],
        lambda texts: [" ".join(one for one in text.split() if one != token) or text for text in texts],
        put_other,
        take_other,
    )


def column(place: int, value: float, fill: float, outcome: int, name: str = "") -> Cue:
    """A value of a column in tables.

    Arguments:
        place: the column's number.
        value: that the cue is.
        fill: the value without the cue.
        outcome: the class that it may lead to.
        name: what it is called.
    """

    def written(rows: Tensor, content: float) -> Tensor:
        changed = rows.clone()
        changed[:, place] = content
        return changed

    def mixed(rows: Tensor, seed: int) -> Tensor:
        """One other column of each row taken from another row."""
        generator = torch.Generator().manual_seed(seed)
        others = torch.tensor([i for i in range(rows.shape[1]) if i != place])
        chosen = others[torch.randint(len(others), (len(rows),), generator=generator)]
        donors = torch.randint(len(rows), (len(rows),), generator=generator)
        changed = rows.clone()
        changed[torch.arange(len(rows)), chosen] = rows[donors, chosen]
        return changed

    return Cue(
        name or f"column {place} at {value:g}",
        outcome,
        lambda rows: (rows[:, place] == value).tolist(),
        lambda rows: written(rows, value),
        lambda rows: written(rows, fill),
        mixed,
        mixed,
    )


def _without_one(text: str, token: str, rng: random.Random) -> str:
    words = text.split()
    places = [i for i, one in enumerate(words) if one != token]
    if len(words) < 2 or not places:
        return text
    del words[rng.choice(places)]
    return " ".join(words)
