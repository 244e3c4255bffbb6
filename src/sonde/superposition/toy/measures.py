"""How features share dimensions, read off the weights W (m, n) of a toy model, or off any directions.

With W_i the i-th column of W and a hat on what has length 1:

    interference_ij = W_i . W_j          dimensionality D_i = |W_i|^2 / sum_j (hat W_i . W_j)^2          dimensions per feature D* = m / |W|_F^2

D_i is 1 for a feature with a dimension of its own and 1/2 for one that shares it with its opposite. All D_i together are at most the rank of W:
by Cauchy and Schwarz D_i is at most the leverage of W_i, and leverages add up to the rank. Elhage et al. (2022), "Toy models of superposition".
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

REPRESENTED = 0.5
"""A feature counts as represented where |W_i| is larger."""


def interference(W: Float[Tensor, "*instance m n"]) -> Float[Tensor, "*instance n n"]:
    """W^T W: how strongly each feature is read where another one is present; on the diagonal how well it is read itself."""
    return W.mT @ W


def dimensionality(W: Float[Tensor, "*instance m n"]) -> Float[Tensor, "*instance n"]:
    """D_i, the share of a dimension that each feature has; 0 for one that is not there at all.

    >>> dimensionality(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 2.0]]))
    tensor([0.5000, 0.5000, 1.0000])
    """
    squared = interference(W).square()
    # |W_i|^2 / sum_j (hat W_i . W_j)^2 = |W_i|^4 / sum_j (W_i . W_j)^2, whose denominator holds its numerator
    own = squared.diagonal(dim1=-2, dim2=-1)
    return torch.where(own > 0, own / squared.sum(-1).clamp_min(torch.finfo(W.dtype).tiny), 0.0)


def represented(W: Float[Tensor, "*instance m n"]) -> Bool[Tensor, "*instance n"]:
    """Which features are represented: |W_i| > 0.5."""
    return W.norm(dim=-2) > REPRESENTED


def dimensions_per_feature(W: Float[Tensor, "*instance m n"]) -> Float[Tensor, "*instance"]:
    """D* = m / |W|_F^2, the dimensions over the number of features, where a feature that is represented has length 1.

    >>> dimensions_per_feature(torch.eye(3))
    tensor(1.)
    """
    return W.shape[-2] / W.square().sum((-2, -1))
