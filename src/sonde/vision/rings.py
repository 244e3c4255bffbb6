"""A filter as rings around its middle: what it weighs at each angle, at each distance, of each input. A turn of the filter is a shift of the angle.

Between pixels the weights are interpolated linearly. Rings lie a pixel apart, the outermost half a filter's side from the middle: the corners beyond
it are left out, as turning carries them off the filter. A ring counts by its length, as its pixels would (its values are multiplied by the root).

A ring of radius r holds 2 pi r pixels, so that waves of more than pi r periods around it are the interpolation's own: they are taken out. Left in,
their phases hang together in a way that chance does not know, and shuffled filters formed families in 13 of 40 trials where 2 are allowed.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from sonde.results import InputError


def rings(filters: Float[Tensor, "unit input row col"], angles: int | None = None) -> Float[Tensor, "unit angle ring"]:
    """The weights of filters on rings, of all inputs side by side: the rings of the first input, then those of the next.

    Arguments:
        filters: the weights.
        angles: how many, evenly around, from the right against the clock; by default about one for each pixel of the outermost ring, a multiple
            of 8, at least 16.

    Raises:
        InputError: filters of one pixel.

    >>> rings(torch.ones(1, 1, 3, 3)).shape
    torch.Size([1, 16, 1])
    """
    side = min(filters.shape[2:])
    if side < 2:
        raise InputError(f"filters of {filters.shape[2]} x {filters.shape[3]} have nothing to turn: name a layer with larger ones, or go by stimuli")
    count = max(16, 8 * math.ceil(math.pi * side / 8)) if angles is None else angles
    if not isinstance(count, int) or count < 4:
        raise InputError(f"angles={angles!r}: give a number of 4 or more")
    outer = (side - 1) / 2
    radii = torch.tensor([outer - i for i in range(math.ceil(outer))]).flip(0)
    turn = torch.arange(count) * (2 * math.pi / count)
    right, down = radii[None] * turn.cos()[:, None], -radii[None] * turn.sin()[:, None]
    places = torch.stack([right * 2 / (filters.shape[3] - 1), down * 2 / (filters.shape[2] - 1)], -1)
    sampled = grid_sample(filters.float(), places.expand(len(filters), -1, -1, -1), mode="bilinear", padding_mode="zeros", align_corners=True)
    waves = torch.fft.rfft(sampled * radii.sqrt(), dim=2)
    waves *= torch.arange(waves.shape[2])[:, None] <= torch.floor(math.pi * radii)
    return torch.fft.irfft(waves, n=count, dim=2).permute(0, 2, 1, 3).flatten(2)
