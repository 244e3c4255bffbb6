"""What an eraser takes out, as columns of numbers."""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError


def columns_of(z: Tensor, targets: int) -> Float[Tensor, "n targets"]:
    """Classes as one column each, numbers as they are, in float64.

    Arguments:
        z: the number of each example's class, or its numbers.
        targets: how many classes there are, or how many numbers each example comes with.

    Raises:
        InputError: another class, another number of columns, or numbers that are not finite.

    >>> columns_of(torch.tensor([1, 0]), 2)
    tensor([[0., 1.],
            [1., 0.]], dtype=torch.float64)
    """
    z = z.detach().cpu()
    if not z.is_floating_point():
        if len(z) and not 0 <= int(z.min()) <= int(z.max()) < targets:
            raise InputError(f"classes from {int(z.min())} to {int(z.max())} among {targets}: number them from 0")
        return torch.nn.functional.one_hot(z.long(), targets).double()
    columns = z.double().reshape(len(z), -1)
    if columns.shape[1] != targets or not columns.isfinite().all():
        raise InputError(f"targets of shape {tuple(z.shape)}: give {targets} finite numbers for each activation")
    return columns
