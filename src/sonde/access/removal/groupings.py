"""Ways to divide the places of a site among players: tokens, words, sentences, squares of pictures, features, and what a user names.

Each gives, for every example, the player of each cell (-1 where it stays), and what the players are called.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access.removal.question import Question
from sonde.results import InputError

MOST_SINGLE = 1024  # with more players than that no method would end

Made = tuple[Int[Tensor, "example *cell"], tuple[tuple[str, ...], ...]]


def shape(question: Question) -> tuple[int, ...]:
    """The number of examples, and of cells along each axis."""
    return len(question), *(question.value.shape[1 + question.axes.index(axis)] for axis in question.cells)


def of_tokens(question: Question) -> bool:
    """Whether the cells are tokens."""
    return question.mask is not None and question.cells == ("pos",)


def every(question: Question) -> Made:
    """Every cell by itself, those of padding excepted.

    Raises:
        InputError: more than can be removed one by one.
    """
    whole = shape(question)
    real = torch.ones(whole, dtype=torch.bool)
    if question.mask is not None:
        real &= question.mask.cpu().view(*question.mask.shape, *[1] * (len(whole) - 2))
    if (most := int(real.flatten(1).sum(1).max())) > MOST_SINGLE:
        raise InputError(
            f"{question.site!r} has {most:,} places, too many to remove one by one (at most {MOST_SINGLE:,}): group them by players=, for pictures "
            "the side of squares in pixels"
        )
    groups, names = torch.full(whole, -1), []
    for row, there in zip(groups, real, strict=True):
        places = there.nonzero().tolist()
        row[there] = torch.arange(len(places))
        names.append(tuple(" ".join(f"{axis} {i}" for axis, i in zip(question.cells, place, strict=True)) for place in places))
    return groups, tuple(names)


def tokens(question: Question, special: bool) -> Made:
    """Every token by itself."""
    return _joined(question, special, lambda before, token: False)


def words(question: Question, special: bool) -> Made:
    """Tokens that no white space divides go together."""
    _refuse_textless(question, "words")
    return _joined(question, special, _goes_on)


def sentences(question: Question, special: bool) -> Made:
    """Tokens up to a full stop, a question mark or an exclamation mark go together."""
    _refuse_textless(question, "sentences")
    return _joined(question, special, lambda before, token: not before[-1].rstrip().endswith((".", "!", "?")))


def squares(question: Question, side: int) -> Made:
    """Squares of a picture; those at the lower and the right edge may be smaller.

    Raises:
        InputError: no picture, or a side that it has not.
    """
    if question.cells[-2:] != ("row", "col") or len(question.cells) != 2:
        raise InputError(f"players={side} asks for squares of pictures (row col), and {question.site!r} has the axes {' '.join(question.axes)}")
    examples, rows, cols = shape(question)
    if not 1 <= side <= max(rows, cols):
        raise InputError(f"players={side}: the side of a square is 1 to {max(rows, cols)} pixels in pictures of {rows} x {cols}")
    across = -(-cols // side)
    one = (torch.arange(rows) // side)[:, None] * across + torch.arange(cols) // side
    names = tuple(f"row {i * side} col {j * side}" for i in range(-(-rows // side)) for j in range(across))
    return one.expand(examples, rows, cols).clone(), (names,) * examples


def labelled(question: Question, labels: Tensor) -> Made:
    """Cells with the same number go together; those with -1 stay.

    Raises:
        InputError: numbers that are not whole, or of another shape than the cells.
    """
    whole = shape(question)
    if labels.is_floating_point() or labels.shape not in (whole, whole[1:]):
        raise InputError(
            f"players= was given as {labels.dtype} of shape {tuple(labels.shape)}: give whole numbers of shape {whole[1:]}, or of {whole} by example"
        )
    groups, names = torch.full(whole, -1), []
    for row, own in zip(groups, labels.expand(whole), strict=True):
        known = own[own >= 0].unique().tolist()
        for player, label in enumerate(known):
            row[own == label] = player
        names.append(tuple(str(label) for label in known))
    return groups, tuple(names)


def spans(question: Question, given: Mapping[str, Any]) -> Made:
    """Named positions: for each name those in each row, or a text that stands there once.

    Raises:
        InputError: positions that a row has not, or that two names share.
    """
    inputs = question.model.prepare(question.given, spans=given)
    assert inputs.rows is not None
    groups = torch.full(shape(question), -1)
    names: list[tuple[str, ...]] = []
    for example, row in enumerate(groups):
        held = [name for name in given if inputs.spans[name][example]]
        for player, name in enumerate(held):
            _claim(row, torch.tensor(inputs.spans[name][example]) + inputs.rows.starts[example], player, name)
        names.append(tuple(held))
    return groups, tuple(names)


def features(question: Question, given: Mapping[str, Any]) -> Made:
    """Named features, the same in all examples: for each name those that it holds, such as the columns of one category.

    Raises:
        InputError: features that are not there, or that two names share.
    """
    whole = shape(question)
    one = torch.full(whole[1:], -1)
    for player, (name, held) in enumerate(given.items()):
        places = [held] if isinstance(held, int) else list(held)
        if one.ndim != 1 or not places or not all(isinstance(i, int) and -len(one) <= i < len(one) for i in places):
            raise InputError(f"the player {name!r} holds {held!r}: give indices of features, 0 to {one.shape[-1] - 1}, of a site with one axis")
        _claim(one, torch.tensor(places), player, name)
    return one.expand(whole).clone(), (tuple(given),) * whole[0]


def named(question: Question, names: Sequence[str]) -> Made:
    """Every feature by itself, under its name.

    Raises:
        InputError: more or fewer names than features.
    """
    groups, known = every(question)
    if any(len(own) != len(names) for own in known):
        raise InputError(f"{len(names)} names were given for {len(known[0])} places: give one for each")
    return groups, (tuple(names),) * len(groups)


def _claim(row: Int[Tensor, " cell"], places: Int[Tensor, " place"], player: int, name: str) -> None:
    if bool((row[places] >= 0).any()):
        raise InputError(f"the player {name!r} holds a place that another one holds too: give each place to one")
    row[places] = player


def _refuse_textless(question: Question, grouping: str) -> None:
    if not of_tokens(question) or not question.run.tokens:
        raise InputError(f"players={grouping!r} are made of tokens and their texts, which these inputs do not have at {question.site!r}")


def _joined(question: Question, special: bool, joins: Callable[[list[str], str], bool]) -> Made:
    """Tokens in order, each with the player before it or a new one; special tokens stay, and end a player."""
    mask, tokenizer = question.mask, question.model.tokenizer
    assert mask is not None
    staying = set() if special or tokenizer is None else tokenizer.special
    groups, names = torch.full(shape(question), -1), []
    for example, real in enumerate(mask.cpu()):
        ids = question.run.ids[example].cpu()[real].tolist()
        texts = question.run.tokens[example] if question.run.tokens else [str(i) for i in ids]
        players: list[str] = []
        row: list[int] = []
        before: list[str] = []  # the tokens of the player at hand
        for i, text in zip(ids, texts, strict=True):
            if i in staying:
                row.append(-1)
                before = []
                continue
            if not (before and joins(before, text)):
                players.append("")
                before = []
            players[-1] += text.removeprefix("##") if before else text
            before.append(text)
            row.append(len(players) - 1)
        groups[example, real] = torch.tensor(row)
        names.append(tuple(players))
    return groups, tuple(names)


def _goes_on(before: list[str], token: str) -> bool:
    """Whether a token goes on with the word of the tokens before it."""
    if any(text[:1].isspace() for text in itertools.chain(before, [token])):
        return not token[:1].isspace()
    return token.startswith("##")  # a tokenizer that spells no spaces marks what goes on
