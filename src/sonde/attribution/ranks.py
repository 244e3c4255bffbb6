"""Orders compared: how many of the highest ones two orders share."""

from jaxtyping import Float
from torch import Tensor


def overlap(a: Float[Tensor, " item"], b: Float[Tensor, " item"], k: int) -> float:
    """The share of the k highest values that two orders have in common.

    >>> import torch
    >>> overlap(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0]), k=2)
    0.5
    """
    return len(set(a.topk(k).indices.tolist()) & set(b.topk(k).indices.tolist())) / k
