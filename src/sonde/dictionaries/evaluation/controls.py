"""What a dictionary must beat: coordinates that nobody learned, as many of them at a time.

Of the deviation from the mean the k largest coordinates are kept: of the neurons, of the principal components, and of random directions as many as
the dictionary has, whose sum is scaled so that it fits best.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.bases import Moments
from sonde.dictionaries.dictionary import Dictionary, Part
from sonde.evidence import random_directions

KINDS = ("neurons", "principal components", "random directions")


def controls(x: Float[Tensor, "rows width"], k: int, size: int, parts: tuple[Part, ...] = (), seed: int = 0) -> dict[str, Dictionary]:
    """Controls for a dictionary, by what they are called.

    Arguments:
        x: a sample of activations, for their mean and their components.
        k: how many coordinates are kept: the dictionary's L0, rounded.
        size: latents of the dictionary.
        parts: what it reads.
        seed: of the random directions.

    >>> list(controls(torch.randn(20, 4), k=2, size=8))
    ['2 of 4 neurons', '2 of 4 principal components', '2 of 8 random directions']
    """
    x = x.float()
    mean, width, k = x.mean(0), x.shape[1], max(1, k)
    components = Moments(width).update(x).pca().components
    found = []
    for directions in (torch.eye(width), components, random_directions(width, size, seed)):
        largest = Dictionary(
            directions, torch.zeros(len(directions)), directions, mean, "abstopk", k=min(k, len(directions)), centred=True, reads=parts
        )  # fmt: skip
        written = largest.reconstruct(x) - mean
        slope = float((written * (x - mean)).sum() / written.square().sum().clamp(min=torch.finfo(torch.float32).tiny))
        found.append(replace(largest, decoder=slope * directions))
    return {f"{control.k} of {control.size} {kind}": control for kind, control in zip(KINDS, found, strict=True)}
