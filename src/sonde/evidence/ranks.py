"""Orders of values, and how far two of them agree: Spearman's rank correlation."""

import torch
from jaxtyping import Float
from torch import Tensor


def ranks(values: Float[Tensor, "... item"]) -> Float[Tensor, "... item"]:
    """The rank of each value from 0, ties shared.

    >>> ranks(torch.tensor([0.5, 2.0, 0.5]))
    tensor([0.5000, 2.0000, 0.5000], dtype=torch.float64)
    """
    ordered, order = values.sort(-1)
    steps = torch.zeros_like(order)
    steps[..., 1:] = (ordered[..., 1:] != ordered[..., :-1]).cumsum(-1)  # the number of each run of ties
    places = torch.arange(values.shape[-1], device=values.device, dtype=torch.double).expand(values.shape)
    sums = torch.zeros_like(places).scatter_add(-1, steps, places)
    sizes = torch.zeros_like(places).scatter_add(-1, steps, torch.ones_like(places))
    shared = (sums / sizes).gather(-1, steps)
    return torch.empty_like(shared).scatter(-1, order, shared)


def spearman(a: Float[Tensor, "... item"], b: Float[Tensor, "... item"]) -> Float[Tensor, "..."]:
    """Spearman's rank correlation; NaN where one of the orders is all ties.

    >>> spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 9.0, 10.0])).item()
    1.0
    """
    x, y = (r - r.mean(-1, keepdim=True) for r in (ranks(a).double(), ranks(b).double()))
    return (x * y).sum(-1) / (x.square().sum(-1) * y.square().sum(-1)).sqrt()
