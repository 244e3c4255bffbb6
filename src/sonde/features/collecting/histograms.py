"""Counts in evenly spaced bins, many rows at once.

Bin i of n holds what lies from low + i (high - low) / n up to the next edge; the last bin holds its upper end, too. A row whose values are all the
same has one full bin, the first: there is no step to divide by.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def counted(
    values: Float[Tensor, "row value"], low: Float[Tensor, " row"], high: Float[Tensor, " row"], bins: int
) -> Int[Tensor, "row bin"]:  # fmt: skip
    """A histogram of each row.

    Arguments:
        values: the rows.
        low: each row's lowest edge.
        high: each row's highest edge.
        bins: how many.

    >>> counted(torch.tensor([[0.0, 1.0, 2.0, 4.0], [3.0, 3.0, 3.0, 3.0]]), torch.tensor([0.0, 3.0]), torch.tensor([4.0, 3.0]), 2)
    tensor([[2, 2],
            [4, 0]])
    """
    found = torch.zeros(len(values), bins, dtype=torch.int64)
    return found.scatter_add_(1, bin_of(values, low[:, None], high[:, None], bins), torch.ones_like(values, dtype=torch.int64))


def bin_of(values: Float[Tensor, "..."], low: Tensor, high: Tensor, bins: int) -> Int[Tensor, "..."]:
    """In which bin each value lies.

    Arguments:
        values: within the range.
        low: the lowest edge, broadcast to the values.
        high: the highest edge, likewise.
        bins: how many.
    """
    width = (high - low).double()
    share = torch.where(width > 0, (values.double() - low) / width.clamp(min=1e-300), torch.zeros((), dtype=torch.float64))
    return (share * bins).floor().long().clamp(0, bins - 1)
