"""Which examples a probe learns from, which decide its penalty, and which judge it: three parts, no group in two of them."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import t_interval, wilson
from sonde.probing.division import divide

DEV = 0.1  # of the examples that are not in the test


class Parts(NamedTuple):
    """Numbers of examples.

    Arguments:
        train: to learn from.
        dev: to choose a penalty on, or when to stop.
        test: to be judged on.
    """

    train: Int[Tensor, " train"]
    dev: Int[Tensor, " dev"]
    test: Int[Tensor, " test"]


def three_parts(groups: Int[Tensor, " example"], share: float = 0.2, seed: int = 0) -> Parts:
    """Divide examples by groups.

    Arguments:
        groups: the group of each example; at least three different ones.
        share: of the examples that are kept for the test.
        seed: of the order of the groups.

    Raises:
        InputError: fewer than three groups, or a share that is not between 0 and 1.
    """
    rest, test = divide(groups, share, seed)
    train, dev = divide(groups[rest], DEV, seed + 1)
    return Parts(rest[train], rest[dev], test)


def interval(values: Float[Tensor, " example"], groups: Int[Tensor, " example"]) -> tuple[float, float]:
    """The 95 % interval of a mean over examples, groups of which were drawn together.

    Student's, of the groups' sums of deviations, so that a group weighs as much as it holds (the linearised ratio; Cochran 1977,
    section 6.3). Of examples that are all right or all wrong, Wilson's.

    Arguments:
        values: one per example.
        groups: the group of each.

    Raises:
        InputError: a single group.
    """
    own = groups.unique(return_inverse=True)[1]
    n_groups = int(own.max()) + 1
    middle = values.double().mean()
    if bool((values == values[0]).all()) and float(values[0]) in (0.0, 1.0):
        # all right or all wrong: no spread, but no certainty
        return wilson(n_groups * int(values[0]), n_groups)
    sums = torch.zeros(n_groups, dtype=torch.float64).index_add_(0, own, values.double() - middle)
    return t_interval(middle + sums * n_groups / len(values))
