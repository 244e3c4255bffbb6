"""Which objective shows what a unit looks for? Its mean; of a layer that goes below zero what lies above, because in the mean waves cancel."""

from collections.abc import Sequence

import torch

from sonde.access import Model
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import Channel, Neuron, Objective, Rectified
from sonde.vision.reading import maps_of

PICTURES = 8  # of noise


def sought(
    model: Model, site: str, layer: str, units: Sequence[int], means: Normalisation, shape: tuple[int, int]
) -> list[tuple[Objective, Objective]]:  # fmt: skip
    """What shows what units look for, and what they look away from.

    Arguments:
        model: the network.
        site, layer: where they are.
        units: by number.
        means: what is done to pictures.
        shape: channels and side of pictures that the network takes.
    """
    channels, side = shape
    maps = maps_of(model, site, means(torch.rand(PICTURES, channels, side, side, generator=torch.Generator().manual_seed(0))))
    if maps.ndim == 2:
        return [(Neuron(layer, unit), -Neuron(layer, unit)) for unit in units]
    if float(maps.min()) < 0:
        return [(Rectified(layer, unit), Rectified(layer, unit, sign=-1)) for unit in units]
    return [(Channel(layer, unit), -Channel(layer, unit)) for unit in units]
