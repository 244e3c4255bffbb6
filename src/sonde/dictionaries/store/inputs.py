"""Inputs of a module that reads no text: pictures, series, tables, states; in a seeded order, each with the place where the next one begins."""

from collections.abc import Iterator

from torch import Tensor

from sonde.dictionaries.store.corpus import Sequenced
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Place, permutation
from sonde.results import InputError, content_hash, shown


class Inputs:
    """Examples of one shape, as a module takes them along its first axis.

    Arguments:
        examples: [example, ...].
        shuffled: another order in every epoch.
        seed: of the order.

    Raises:
        InputError: what is no such tensor.

    >>> import torch
    >>> inputs = Inputs(torch.zeros(3, 8, 8))
    >>> len(list(inputs.sequences(inputs.beginning(0))))
    3
    """

    notes: tuple[str, ...] = ()

    def __init__(self, examples: Tensor, shuffled: bool = True, seed: int = 0):
        if not isinstance(examples, Tensor) or not examples.ndim:
            raise InputError(f"{shown(examples)} holds no examples: give a tensor with one along its first axis")
        self.examples, self.shuffled, self.seed = examples, shuffled, seed
        self._hash = content_hash(examples)

    @property
    def identity(self) -> State:
        """What must be the same for the same examples."""
        return {"documents": self._hash, "order": self.seed if self.shuffled else None}

    @property
    def sample(self) -> list[Tensor]:
        """An input from which the sizes of activations are seen."""
        return list(self.examples[:1])

    def beginning(self, epoch: int) -> Place:
        """The place where an epoch begins."""
        return (epoch, 0)

    def sequences(self, place: Place) -> Iterator[Sequenced]:
        """The examples of one epoch, from a place on."""
        epoch, begun = place
        n = len(self.examples)
        order = permutation(n, "documents", self.seed, epoch).tolist() if self.shuffled else range(n)
        return (Sequenced(self.examples[order[at]], (epoch, at + 1)) for at in range(begun, n))
