"""Labels that mean nothing: what a probe learns of them it owes to its own capacity.

Hewitt and Liang 2019, "Designing and interpreting probes with control tasks": a control task gives every word type one random label, which only
memory can learn; selectivity is the accuracy on the task minus the accuracy on its control.
"""

from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from sonde.results import InputError


def shuffled(labels: Shaped[Tensor, " example"], seed: int) -> Shaped[Tensor, " example"]:
    """The labels in random order, such that no example keeps its own; uniform among all such orders.

    It may get an equal one from another example: to forbid that would tell which label is wrong, and of two labels always the right one.

    Arguments:
        labels: one per example.
        seed: of the order.

    Raises:
        InputError: fewer than three examples; two can only be exchanged.

    >>> shuffled(torch.tensor([10, 20, 30, 40]), seed=0)
    tensor([40, 30, 10, 20])
    """
    n = len(labels)
    if n < 3:
        raise InputError(f"{n} labels can't be shuffled at random without one staying in its place; give at least 3")
    generator = torch.Generator().manual_seed(seed)
    own = torch.arange(n)
    order = own
    # of random orders the share 1/e leaves no one in place, whatever their number
    while bool((order == own).any()):
        order = torch.randperm(n, generator=generator)
    return labels[order.to(labels.device)]


def control_task(types: Sequence[Hashable], labels: Shaped[Tensor, " example"], seed: int) -> Shaped[Tensor, " example"]:
    """Every type's random label, the same wherever the type occurs, drawn as often as the examples have it.

    Arguments:
        types: what a probe could remember of each example, such as its word.
        labels: the task's labels, one per example.
        seed: of the draws.

    Raises:
        InputError: as many types as examples are needed.

    >>> control_task(["a", "b", "a", "c"], torch.tensor([0, 1, 0, 1]), seed=1)
    tensor([1, 1, 1, 0])
    """
    if len(types) != len(labels):
        raise InputError(f"{len(types)} types for {len(labels)} labels; give one type for each example")
    places = {one: i for i, one in enumerate(dict.fromkeys(types))}
    drawn = torch.randint(len(labels), (len(places),), generator=torch.Generator().manual_seed(seed))
    return labels[drawn[[places[one] for one in types]].to(labels.device)]
