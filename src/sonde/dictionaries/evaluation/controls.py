"""What a dictionary must beat: coordinates that nobody learned, as many of them at a time.

Neurons, principal components, and as many random directions as the dictionary has: of each activation's deviation from the mean the k largest
coordinates, fitted to it by least squares.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.baselines import Linear, pca, random_directions

MOST_FITTED = 64
"""Random directions that are fitted at a time: the time grows with the cube of their number."""
KINDS = ("neurons", "principal components", "random directions")


def controls(x: Float[Tensor, "rows width"], k: int, size: int, seed: int = 0) -> dict[str, Linear]:
    """Controls for a dictionary, by what they are called.

    Where as many are active as there are entries, they keep everything, and there is no control; where more than `MOST_FITTED` are, there are no
    random directions.

    Arguments:
        x: a sample of activations, for their mean and their components.
        k: how many coordinates are kept: the dictionary's L0, rounded.
        size: latents of the dictionary.
        seed: of the random directions.

    >>> list(controls(torch.randn(20, 4), k=2, size=8))
    ['2 of 4 neurons', '2 of 4 principal components', '2 of 8 random directions']
    """
    x, width = x.float(), x.shape[1]
    if k >= width:
        return {}
    k, components = max(1, k), pca(x)
    found = [Linear(KINDS[0], torch.eye(width), x.mean(0), k), Linear(KINDS[1], components.directions, components.mean, min(k, components.size))]
    if k <= MOST_FITTED:
        found.append(random_directions(x, size, min(k, size), seed))
    return {f"{control.k} of {control.size} {control.kind}": control for control in found}
