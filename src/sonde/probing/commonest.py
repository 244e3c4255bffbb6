"""What can be told without a model: the commonest class, of all examples or of those that share a key, such as their position or their word."""

from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.probing.division import divide
from sonde.probing.labelled import Labelled


def commonest(
    keys: Sequence[Hashable], targets: Int[Tensor, " example"], train: Int[Tensor, " train"], test: Int[Tensor, " test"]
) -> Int[Tensor, " test"]:  # fmt: skip
    """For each example of the test the commonest class of the training examples with its key; of all where none has it.

    Arguments:
        keys: of each example what is known of it; all the same for the commonest class.
        targets: the number of each example's class.
        train, test: numbers of examples.

    >>> commonest(["a", "a", "b", "c"], torch.tensor([1, 1, 0, 0]), torch.tensor([0, 1, 2]), torch.tensor([3, 2]))
    tensor([1, 0])
    """
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    key = torch.tensor([numbers[one] for one in keys])
    classes = int(targets.max()) + 1
    counts = torch.bincount(key[train] * classes + targets[train], minlength=len(numbers) * classes).view(len(numbers), classes)
    best = counts.argmax(1)
    best[counts.sum(1) == 0] = counts.sum(0).argmax()
    return best[key[test]]


def accuracy_of(keys: Sequence[Hashable], targets: Int[Tensor, " example"], train: Int[Tensor, " train"], test: Int[Tensor, " test"]) -> float:
    """The share of the test's examples that their key tells.

    Arguments:
        keys, targets, train, test: as for `commonest`.
    """
    return float((commonest(keys, targets, train, test) == targets[test]).float().mean())


def known_without(data: Labelled, seed: int = 0) -> dict[str, float]:
    """What is told of held-out examples without any model: by the commonest class, and by the word that stands there, as in training.

    Arguments:
        data: examples with classes; for numbers there is nothing.
        seed: of the division into train and test.

    Raises:
        InputError: a single group.
    """
    if not data.classes:
        return {}
    train, test = divide(data.groups, seed=seed)
    keys = {"commonest class": [""] * len(data), "word": data.types}
    return {name: accuracy_of(held, data.targets, train, test) for name, held in keys.items()}
