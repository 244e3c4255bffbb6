"""One vector of several: what a probe reads of a word that is several tokens."""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.results import InputError, shown

Pooling = Literal["last", "first", "mean", "max"]


def pooled(
    values: Float[Tensor, "batch place entry"], rows: Int[Tensor, " span"], starts: Int[Tensor, " span"], stops: Int[Tensor, " span"], how: Pooling
) -> Float[Tensor, "span entry"]:  # fmt: skip
    """A vector for each span of places.

    Arguments:
        values: activations.
        rows: of which row each span is.
        starts, stops: its first place and the one after its last.
        how: the value at the last place or the first one, the mean, or the largest of each entry.

    >>> values = torch.tensor([[[1.0, 5.0], [3.0, 2.0]]])
    >>> pooled(values, torch.tensor([0]), torch.tensor([0]), torch.tensor([2]), "max")
    tensor([[3., 5.]])
    """
    if how == "last":
        return values[rows, stops - 1]
    if how == "first":
        return values[rows, starts]
    lengths = stops - starts
    owner = torch.repeat_interleave(torch.arange(len(rows)), lengths)
    place = torch.arange(len(owner)) - (lengths.cumsum(0) - lengths)[owner] + starts[owner]
    found: Tensor = torch.segment_reduce(values[rows[owner], place], how, lengths=lengths)
    return found


def refuse_unknown(how: str) -> None:
    """Raise `InputError` unless this is a way to pool."""
    if how not in get_args(Pooling):
        raise InputError(f"pooling={shown(how, 40)} is none: choose {', '.join(map(repr, get_args(Pooling)))}")
