"""Sets of tokens, one for each example: how they are given, kept, and looked up in a run."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.results import InputError

Row = tuple[int, ...]
Ids = int | Sequence[int] | Int[Tensor, "#batch"]
Sets = Ids | Sequence[Sequence[int]]
"""One token for all examples, one for each, or several for each."""


def ids_of(ids: Ids) -> Int[Tensor, " example"]:
    """One token for each example."""
    return torch.as_tensor(ids, dtype=torch.long).reshape(-1)


def some_of(ids: Ids, examples: Sequence[int]) -> Int[Tensor, " example"]:
    """The tokens of some examples; a single one serves all."""
    ids = ids_of(ids)
    return ids if len(ids) == 1 else ids[list(examples)]


def sets_of(sets: Sets, name: str) -> tuple[Row, ...]:
    """The tokens of each example; a single entry serves all examples.

    Arguments:
        sets: as given.
        name: what the sets are, for the message.

    Raises:
        InputError: an example without a token.
    """
    if isinstance(sets, int | Tensor):
        return tuple((i,) for i in ids_of(sets).tolist())
    rows = tuple((int(one),) if isinstance(one, int) else tuple(dict.fromkeys(int(i) for i in one)) for one in sets)
    if () in rows:
        raise InputError(f"{name}: example {rows.index(())} has none; give each example at least one token")
    return rows


def apart(answers: tuple[Row, ...], wrongs: tuple[Row, ...]) -> None:
    """Raise `InputError` where a token is right and wrong in the same example."""
    for example in range(max(len(answers), len(wrongs)) if answers and wrongs else 0):
        both = set(answers[example if len(answers) > 1 else 0]) & set(wrongs[example if len(wrongs) > 1 else 0])
        if both:
            raise InputError(f"token {min(both)} of example {example} is among the right and among the wrong answers: leave it out of one of them")


def first(sets: Sets) -> Int[Tensor, " example"]:
    """The first token of each set, which stands for it."""
    return torch.tensor([row[0] for row in sets_of(sets, "sets")], dtype=torch.long)


def distinct(*sets: Sequence[Row]) -> Int[Tensor, " row"]:
    """The vocabulary rows of all these sets."""
    return torch.tensor(sorted({i for some in sets for row in some for i in row}), dtype=torch.long)


def some(sets: tuple[Row, ...], examples: Sequence[int]) -> tuple[Row, ...]:
    """The sets of some examples."""
    return sets if len(sets) == 1 else tuple(sets[i] for i in examples)


def gathered(values: Float[Tensor, "batch vocab"], sets: tuple[Row, ...], fill: float) -> Float[Tensor, "batch answer"]:
    """The values of each example's tokens; sets that are smaller than the largest are filled up.

    Arguments:
        values: one value for each token of the vocabulary.
        sets: each example's tokens.
        fill: what stands where a set has no more tokens.

    Raises:
        InputError: another number of sets than rows.
    """
    ids, real = _padded(sets, len(values))
    return values.gather(1, ids.to(values.device)).masked_fill(~real.to(values.device), fill)


def members(sets: tuple[Row, ...], values: Float[Tensor, "batch vocab"]) -> Bool[Tensor, "batch vocab"]:
    """Whether each token of the vocabulary is in each example's set."""
    ids, real = _padded(sets, len(values))
    found = torch.zeros(values.shape, dtype=torch.long).scatter_add_(1, ids, real.long())
    return (found > 0).to(values.device)


def _padded(sets: tuple[Row, ...], batch: int) -> tuple[Int[Tensor, "batch answer"], Bool[Tensor, "batch answer"]]:
    if len(sets) not in (1, batch):
        raise InputError(f"the metric has answers for {len(sets)} examples and the run {batch} rows; give them for each row, or once for all")
    width = max(map(len, sets))
    ids = torch.tensor([[*row, *[row[0]] * (width - len(row))] for row in sets])
    real = torch.tensor([[i < len(row) for i in range(width)] for row in sets])
    return ids.expand(batch, width), real.expand(batch, width)
