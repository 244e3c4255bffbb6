"""Train and test without a leak: groups of examples go to one side whole."""

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.results import InputError


def divide(groups: Int[Tensor, " example"], share: float = 0.2, seed: int = 0) -> tuple[Int[Tensor, " train"], Int[Tensor, " test"]]:
    """Numbers of the examples to train on and to test on, in their order; no group is in both.

    Arguments:
        groups: the group of each example.
        share: of the examples that are kept for the test, as near as whole groups in random order come.
        seed: of the order.

    Raises:
        InputError: a single group; a share that is not between 0 and 1.

    >>> divide(torch.tensor([0, 0, 1, 1, 2, 2]), share=1 / 3, seed=0)
    (tensor([0, 1, 2, 3]), tensor([4, 5]))
    """
    if not 0 < share < 1:
        raise InputError(f"share={share} of the examples can't be kept for the test: give a share between 0 and 1")
    _, own, sizes = groups.unique(return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise InputError("all examples are one group, which can't be divided into train and test: give more groups, such as sentences")
    order = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed))
    held = sizes[order].cumsum(0)
    n = int((held - share * len(groups)).abs().argmin()) + 1
    chosen = torch.zeros(len(sizes), dtype=torch.bool)
    chosen[order[: min(n, len(sizes) - 1)]] = True
    test = chosen[own]
    return (~test).nonzero().flatten(), test.nonzero().flatten()
