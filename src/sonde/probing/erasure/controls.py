"""Erasers of nothing in particular: what taking any directions out does, a found eraser must exceed.

A rank-1 LEACE and a rank-40 INLP are different interventions, so each has controls of its own rank. Few directions hold most of the variance of a
transformer's activations, and uniform ones miss them, so a second control takes out as much variance as the found eraser does: with as many
directions as that needs, at right angles to the concept. A single random direction that held as much as one of the largest would be nearly the same.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.bases import Subspace
from sonde.evidence import matched_subspaces
from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.sums import LeaceSums

By = Literal["rank", "variance"]
RANDOM: dict[By, str] = {"rank": "random directions of equal rank", "variance": "random directions that take out as much variance"}


def random_erasers(found: Eraser, sums: LeaceSums, draws: int, seed: int = 0, by: By = "rank") -> list[Eraser]:
    """Random orthogonal projections about the same mean.

    Arguments:
        found: what they are a control for.
        sums: over the activations that it was fitted on.
        draws: how many.
        seed: of the draws.
        by: of equal "rank", or with the same mean squared change ("variance"), as near as the concept's complement comes.

    >>> x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 7.0)
    >>> sums = LeaceSums(6, 2).update(x, (x[:, 3] > 0).long())
    >>> found = sums.leace()
    >>> [round(one.change / found.change, 6) for one in random_erasers(found, sums, draws=3, by="variance")]
    [1.0, 1.0, 1.0]
    """
    return [sums.eraser("random", one, one) for one in random_rows(found, sums.covariance, draws, seed, by)]


def random_rows(
    found: Eraser, covariance: Float[Tensor, "width width"], draws: int, seed: int = 0, by: By = "rank"
) -> list[Float[Tensor, "_ width"]]:  # fmt: skip
    """The directions that random erasers take out: orthonormal rows of each draw.

    Arguments:
        found: what they are a control for.
        covariance: of the states that it was fitted on.
        draws, seed, by: as for `random_erasers`.
    """
    if not found.rank:
        return [found.encoder] * draws
    if by == "variance":
        columns = list(_as_much(found, covariance, draws, seed))
    else:
        columns = [Subspace.random(found.width, found.rank, seed + i).directions.double() for i in range(draws)]
    return [torch.linalg.qr(one)[0].T.contiguous() for one in columns]  # orthonormal in float64


def _as_much(found: Eraser, covariance: Float[Tensor, "width width"], draws: int, seed: int) -> Float[Tensor, "draw width directions"]:
    """Random directions that hold as much variance, none of it along the concept's: as many as uniform ones would need, but no fewer than it has."""
    concept, _ = torch.linalg.qr(found.decoder.T)
    aside = torch.eye(found.width, dtype=torch.float64) - concept @ concept.T
    left = aside @ covariance @ aside
    values = torch.linalg.eigvalsh(left)
    # directions in which the states do not vary at all can't be removed
    free = max(1, int((values > values[-1] * len(values) * torch.finfo(torch.float64).eps).sum()))
    each = float(values.sum()) / free
    needed = max(found.rank, round(found.change / each)) if each else found.rank
    return matched_subspaces(found.change, min(needed, free), left, draws, seed)
