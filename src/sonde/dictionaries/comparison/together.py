"""Which latents of two bases are active together: correlations and shared firings of every pair, some latents at a time.

Shape legend: N rows, A and B latents of the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sonde.bases import Codes
from sonde.results import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ENTRIES = 2**23
"""Pairs that are looked at together: 64 MB in float64."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some latents of the first basis against all of the second.

    Arguments:
        start: the first of them.
        correlation: Pearson's, of the activations with their zeros; 0 where one of the two never varies.
        shared: rows in which both are active.
    """

    start: int
    correlation: Float[Tensor, "some b"]
    shared: Float[Tensor, "some b"]


@dataclass(frozen=True, eq=False)
class Together:
    """The codes of the same activations in two bases.

    Arguments:
        a, b: the codes; row n of both belongs to the same token.

    Raises:
        InputError: other numbers of rows.

    >>> a = Codes.of(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    >>> [block.correlation.diagonal().tolist() for block in Together(a, a).blocks()]
    [[1.0, 1.0]]
    """

    a: Codes
    b: Codes

    def __post_init__(self) -> None:
        if len(self.a) != len(self.b) or not len(self.a):
            raise InputError(f"{len(self.a)} and {len(self.b)} activations: give the same tokens to both, and at least one")

    def firings(self) -> tuple[Float[Tensor, " a"], Float[Tensor, " b"]]:
        """In how many rows each latent is active."""
        a, b = (torch.bincount(codes.without_zeros().latents.cpu(), minlength=codes.size).double() for codes in (self.a, self.b))
        return a, b

    def blocks(self) -> Iterator[Block]:
        """All pairs, some latents of the first basis at a time."""
        a, b, n = _sparse(self.a), _sparse(self.b), len(self.a)
        means, spreads = zip(*(_moments(each, n) for each in (a, b)), strict=True)
        fires_a, fires_b = a.astype(bool).astype(np.float64), b.astype(bool).astype(np.float64)
        step = max(1, ENTRIES // self.b.size)
        columns, fires = a.tocsc(), fires_a.tocsc()
        for start in range(0, self.a.size, step):
            stop = min(start + step, self.a.size)
            product = (columns[:, start:stop].T @ b).toarray() / n
            spread = np.outer(spreads[0][start:stop], spreads[1])
            with np.errstate(invalid="ignore", divide="ignore"):
                correlation = np.where(spread > 0, (product - np.outer(means[0][start:stop], means[1])) / spread, 0.0)
            shared = (fires[:, start:stop].T @ fires_b).toarray()
            yield Block(start, torch.from_numpy(correlation).clamp(-1, 1).float(), torch.from_numpy(shared).float())


def _sparse(codes: Codes) -> "csr_matrix":
    from scipy.sparse import csr_matrix

    kept = codes.without_zeros()
    starts = np.append(kept.offsets.cpu().numpy(), len(kept.values))
    return csr_matrix((kept.values.detach().cpu().double().numpy(), kept.latents.cpu().numpy(), starts), shape=(len(kept), kept.size))


def _moments(table: "csr_matrix", n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column; a deviation that is rounding is 0."""
    mean = np.asarray(table.sum(0)).ravel() / n
    square = np.asarray(table.multiply(table).sum(0)).ravel() / n
    variance = square - mean**2
    return mean, np.sqrt(np.where(variance > 1e-12 * square, variance, 0.0))
