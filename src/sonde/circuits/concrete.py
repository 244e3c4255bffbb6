"""The hard-concrete distribution: amounts between 0 and 1 of which many are exactly 0 or 1, with gradients (Louizos, Welling and Kingma 2018).

    s = sigmoid((log u - log(1 - u) + a) / b),  u uniform        z = clamp(s (h - g) + g, 0, 1)

with temperature b = 2/3 and ends g = -0.1, h = 1.1. Then P(z > 0) = sigmoid(a - b log(-g / h)) and P(z = 1) = sigmoid(a - b log((1 - g) / (h - 1))).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE, LOW, HIGH = 2 / 3, -0.1, 1.1


def draw(location: Float[Tensor, "*axis"], generator: torch.Generator) -> Float[Tensor, "*axis"]:
    """Amounts drawn at random, with gradients.

    Arguments:
        location: the parameter a.
        generator: of the draws, on the CPU.
    """
    u = torch.rand(location.shape, generator=generator, dtype=location.dtype).clamp(1e-6, 1 - 1e-6).to(location.device)
    return _stretched(torch.sigmoid((u.log() - (1 - u).log() + location) / TEMPERATURE))


def settled(location: Float[Tensor, "*axis"]) -> Float[Tensor, "*axis"]:
    """The amounts without chance, as Louizos et al. take them once the search is over.

    Arguments:
        location: the parameter a.
    """
    return _stretched(torch.sigmoid(location))


def open_probability(location: Float[Tensor, "*axis"]) -> Float[Tensor, "*axis"]:
    """The probability that an amount is not exactly zero.

    Arguments:
        location: the parameter a.

    >>> open_probability(torch.tensor(0.0)).item()
    0.83...
    """
    return torch.sigmoid(location - TEMPERATURE * math.log(-LOW / HIGH))


def located(probability: float) -> float:
    """The parameter at which an amount is not zero with a probability: the inverse of `open_probability`.

    Arguments:
        probability: between 0 and 1.
    """
    return math.log(probability / (1 - probability)) + TEMPERATURE * math.log(-LOW / HIGH)


def _stretched(s: Tensor) -> Tensor:
    return (s * (HIGH - LOW) + LOW).clamp(0, 1)
