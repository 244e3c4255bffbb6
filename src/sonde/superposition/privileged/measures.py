"""What tells a basis that matters from any other: three measures, each of activations x (state d) in one basis.

    excess kurtosis   E[(x_i - mean_i)^4] / E[(x_i - mean_i)^2]^2 - 3, the mean over coordinates i: 0 for normal coordinates, large for rare spikes
    largest share     max_i c_i^2 / |c|^2, the mean over states: how much of a state lies in one coordinate
    sparseness        (sqrt(d) - |c|_1 / |c|_2) / (sqrt(d) - 1), the mean over states (Hoyer 2004): 1 for one coordinate alone, 0 for all alike

with c = x - mean. A rotation of the same activations keeps every length and angle, and changes only which directions are called coordinates.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MEASURES = ("excess kurtosis", "largest share", "sparseness")


def kurtosis(centred: Float[Tensor, "state d"]) -> Float[Tensor, " d"]:
    """The excess kurtosis of each coordinate; nan for one that never varies.

    Arguments:
        centred: activations less their mean.

    >>> kurtosis(torch.tensor([[-1.0], [1.0]]))
    tensor([-2.])
    """
    return centred.pow(4).mean(0) / centred.square().mean(0).square() - 3


def measured(centred: Float[Tensor, "state d"]) -> Float[Tensor, " measure"]:
    """The measures of activations in their basis, in the order of `MEASURES`.

    Arguments:
        centred: activations less their mean; states of length 0 are left out.

    >>> [round(value, 3) for value in measured(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])).tolist()]
    [-1.0, 1.0, 1.0]
    """
    root = math.sqrt(centred.shape[1])
    length = centred.norm(dim=1)
    kept = length > 0
    rows, length = centred[kept].abs(), length[kept]
    share = rows.amax(1).square() / length.square()
    sparseness = (root - rows.sum(1) / length) / (root - 1)
    return torch.stack([kurtosis(centred).nanmean(), share.mean(), sparseness.mean()])
