"""What is told of an example without a model: by what all have, by where it stands, by which word it is. A probe has to do better."""

from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from sonde.probing.commonest import commonest
from sonde.probing.held_out import Parts
from sonde.probing.random_labels import remembered
from sonde.probing.states import States


def baselines(states: States, parts: Parts) -> dict[str, Shaped[Tensor, " test"]]:
    """What each baseline says of the test's examples, learnt from those of the training.

    Arguments:
        states: examples with their places and words.
        parts: which to learn from and which to be judged on.
    """
    keys: dict[str, Sequence[Hashable]] = {"commonest" if states.data.classes else "mean": [0] * len(states)}
    if len(states.positions.unique()) > 1:
        keys["position"] = states.positions.tolist()
    if known_types(states, parts).any():
        keys["word type"] = states.data.types
    learnt = torch.cat([parts.train, parts.dev])
    return {name: told(key, states.y, learnt, parts.test) for name, key in keys.items()}


def known_types(states: States, parts: Parts) -> Shaped[Tensor, " test"]:
    """Whether the word of each of the test's examples occurs among those to learn from: of others a control task asks what no one can know.

    Arguments:
        states: examples with their words.
        parts: which to learn from and which to be judged on.
    """
    words = remembered(states.data)
    seen = {words[i] for part in (parts.train, parts.dev) for i in part.tolist()}
    return torch.tensor([words[i] in seen for i in parts.test.tolist()])


def told(
    keys: Sequence[Hashable], targets: Shaped[Tensor, " example"], train: Int[Tensor, " train"], test: Int[Tensor, " test"]
) -> Shaped[Tensor, " test"]:  # fmt: skip
    """The commonest class, or the mean, of the training examples with the same key; of all where none has it.

    Arguments:
        keys: what is known of each example.
        targets: classes or numbers.
        train, test: numbers of examples.

    >>> told(["a", "a", "b", "c"], torch.tensor([1.0, 3.0, 8.0, 0.0]), torch.tensor([0, 1, 2]), torch.tensor([0, 3]))
    tensor([2., 4.])
    """
    if not targets.is_floating_point():
        return commonest(keys, targets, train, test)
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    own = torch.tensor([numbers[key] for key in keys])
    sums: Float[Tensor, " key"] = torch.zeros(len(numbers), dtype=torch.float64).index_add_(0, own[train], targets[train].double())
    counts = torch.bincount(own[train], minlength=len(numbers))
    means = torch.where(counts > 0, sums / counts.clamp_min(1), targets[train].double().mean())
    return means[own[test]].to(targets)
