"""Directions that need no search: the mean difference of the two sides, and the gradient of the answer; what a search must be compared with.

Of rows that are known up to their sign (a pair may go either way), s_i are the signs: where there are two answers in all, the way that a pair goes;
else the sign of its projection on the leading right singular vector. The first direction is the mean of s_i times row i, the others are the leading
right singular vectors of what is left.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.bases import Subspace
from sonde.probing.subspaces.placed import Placed
from sonde.results import InputError


def mean_difference(pairs: Placed, size: int = 1) -> Subspace:
    """The mean difference between both sides, and for more dimensions the leading directions of what is left.

    Arguments:
        pairs: those to search on.
        size: how many dimensions.
    """
    return leading(pairs.differences()[pairs.differs], pairs.pairs.order[pairs.differs], size)


def gradient(pairs: Placed, size: int = 1) -> Subspace:
    """The mean gradient of the margin at the site, and for more dimensions the leading directions of what is left.

    Arguments:
        pairs: those to search on.
        size: how many dimensions.
    """
    found = pairs.model.grad(pairs.pairs.base, pairs.pairs.margin, at=str(pairs.site.whole()), spans=pairs.pairs.spans)[pairs.site]
    rows = -found.double().cpu().reshape(len(pairs.pairs), -1, found.shape[-1])  # the answer goes away from the base's
    return leading(rows[pairs.differs], pairs.pairs.order[pairs.differs], size)


def leading(rows: Float[Tensor, "pair row width"], order: Tensor, size: int) -> Subspace:
    """The mean direction of rows that are known up to their sign, then the leading directions of what is left.

    Arguments:
        rows: some for each pair, in float64.
        order: 1 or -1 for each pair, where its sign is known; else 0.
        size: how many directions.

    Raises:
        InputError: rows that vary along fewer directions.
    """
    signs = signs_of(rows, order)
    flat = rows.flatten(0, 1)
    mean = (signs[:, None, None] * rows).flatten(0, 1).mean(0)
    if float(mean.norm()) <= 1e-12 * float(flat.norm()):
        raise InputError("both sides of the pairs are alike at this site: nothing there tells them apart")
    mean = mean / mean.norm()
    rest = flat - torch.outer(flat @ mean, mean)
    found = torch.cat([mean[None], torch.linalg.svd(rest, full_matrices=False).Vh[: size - 1]])
    if len(found) < size:
        raise InputError(f"size={size}: {len(flat)} differences vary along fewer directions; give more pairs, or ask for less")
    return Subspace.span(found.float())


def signs_of(rows: Float[Tensor, "pair row width"], order: Tensor) -> Float[Tensor, " pair"]:
    """Which way each pair goes.

    Arguments:
        rows: some for each pair.
        order: 1 or -1 for each pair where that is known, else 0.
    """
    if bool(order.any()):
        return order.to(rows.dtype)
    along = rows.sum(1)
    signs = (along @ torch.linalg.svd(along, full_matrices=False).Vh[0]).sign()
    return torch.where(signs == 0, 1.0, signs).to(rows.dtype)
