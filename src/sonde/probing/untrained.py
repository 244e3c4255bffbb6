"""Models that learnt nothing, as controls: what a probe reads of them it owes to the words and the wiring, not to the training."""

from collections.abc import Callable

from torch import nn

from sonde.access import Model
from sonde.nn import permuted, reinitialised

FAR = 1_000_003  # between seeds: a network trained from seed 0 would be compared with its own beginning, of which much is left in it
BROKEN: dict[str, Callable[[nn.Module, int], nn.Module]] = {"untrained model": reinitialised, "permuted weights": permuted}
"""Ways to take from a model what it learnt."""


def broken(model: Model, way: str, seed: int) -> Model:
    """A model of the same wiring without what it learnt, with the same bases attached.

    Arguments:
        model: stays as it is.
        way: one of `BROKEN`: fresh weights, or its own in random order.
        seed: of the draw.

    Raises:
        InputError: a module that does not say how its weights are drawn.
    """
    found = Model(BROKEN[way](model.module, FAR + seed), model.tokenizer, f"{model.name}, {way}", model.processor)
    for name, basis in model.bases.items():
        site, _, called = name.rpartition(".")
        found = found.attach(site, basis, called)
    return found
