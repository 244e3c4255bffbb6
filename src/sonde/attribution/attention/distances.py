"""How far two outputs, or two sets of weights, are apart. Natural logarithms: the Jensen-Shannon divergence goes from 0 to ln 2 = 0.693."""

from jaxtyping import Float
from torch import Tensor

FLOOR = 1e-10  # keeps the logarithm of a weight of 0 finite


def tvd(p: Float[Tensor, "*#more cls"], q: Float[Tensor, "*#more cls"]) -> Float[Tensor, "*more"]:
    """Total variation distance: half the sum of the absolute differences; of two classes the difference of one's probability.

    >>> import torch
    >>> tvd(torch.tensor([1.0, 0.0]), torch.tensor([0.25, 0.75])).item()
    0.75
    """
    return (p - q).abs().sum(-1) / 2


def kl(p: Float[Tensor, "*#more pos"], q: Float[Tensor, "*#more pos"]) -> Float[Tensor, "*more"]:
    """Kullback-Leibler divergence of p from q, in nats."""
    return (p * ((p + FLOOR).log() - (q + FLOOR).log())).sum(-1)


def jsd(p: Float[Tensor, "*#more pos"], q: Float[Tensor, "*#more pos"]) -> Float[Tensor, "*more"]:
    """Jensen-Shannon divergence, in nats.

    >>> import torch
    >>> jsd(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).item()
    0.6931...
    """
    middle = (p + q) / 2
    return (kl(p, middle) + kl(q, middle)) / 2
