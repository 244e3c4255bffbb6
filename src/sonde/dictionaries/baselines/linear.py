"""Directions that activations are projected on: neurons, random directions, principal and independent components.

    c = (x - mean) P      decode(c) = mean + c D      P = D's pseudo-inverse

so that with all coordinates kept decode(encode(x)) is the closest point to x in the span of the directions. With `k`, the k coordinates that
contribute most (largest |c_i|, directions having length 1) are kept, and then fitted to the activation by least squares, so that no baseline is poor
merely because its directions overlap.

Shape legend: N rows, D entries, F directions, K kept.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.bases import PCA
from sonde.results import InputError, content_hash

ENTRIES = 2**24
"""How many entries the systems of equations of some rows together may have: 64 MB in float32."""


@dataclass(frozen=True, eq=False, repr=False)
class Linear:
    """Directions with their dual: coordinates are linear in the activation, but for which of them are kept.

    Arguments:
        kind: where the directions are from.
        directions: of length 1, one a row.
        mean: taken away from an activation first.
        k: how many coordinates of an activation are kept; all by default.

    Raises:
        InputError: directions that are not of length 1, or no such k.

    >>> basis = Linear("neurons", torch.eye(3), torch.zeros(3), k=1)
    >>> basis.encode(torch.tensor([[1.0, -4.0, 2.0]]))
    tensor([[ 0., -4.,  0.]])
    """

    kind: str
    directions: Float[Tensor, "size width"]
    mean: Float[Tensor, " width"]
    k: int | None = None

    def __post_init__(self) -> None:
        lengths = self.directions.norm(dim=1)
        if not torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4):
            raise InputError(f"directions of lengths {float(lengths.min()):.3g} to {float(lengths.max()):.3g}: give directions of length 1")
        if self.k is not None and not 0 < self.k <= min(self.directions.shape):
            raise InputError(f"k={self.k}: of {self.size} directions in {self.width} entries 1 to {min(self.directions.shape)} can be kept")

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.directions.shape[1]

    @property
    def size(self) -> int:
        """How many directions there are."""
        return self.directions.shape[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Directions have numbers only."""
        return ()

    @cached_property
    def hash(self) -> str:
        """A content hash."""
        return content_hash([self.kind, self.directions, self.mean, self.k])

    @cached_property
    def dual(self) -> Float[Tensor, "width size"]:
        """What an activation is multiplied by: the pseudo-inverse of the directions."""
        return torch.linalg.pinv(self.directions.double()).float()

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates of activations."""
        centred = (x.to(self.directions.dtype) - self.mean).reshape(-1, self.width)
        c = centred @ self.dual
        if self.k is not None:
            c = self._largest(c) if self._orthonormal else self._fitted(centred, c)
        return c.view(*x.shape[:-1], self.size)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """What coordinates stand for."""
        return self.mean + c.to(self.directions.dtype) @ self.directions

    @cached_property
    def _orthonormal(self) -> bool:
        """Whether what is kept is fitted as it is: nothing overlaps."""
        eye = torch.eye(self.size, dtype=self.directions.dtype, device=self.directions.device)
        return self.size <= self.width and torch.allclose(self.directions @ self.directions.T, eye, atol=1e-4)

    def _largest(self, c: Float[Tensor, "rows size"]) -> Float[Tensor, "rows size"]:
        """The k largest coordinates of each row; the others 0."""
        kept = c.abs().topk(self.k or 0, dim=1).indices
        return torch.zeros_like(c).scatter(1, kept, c.gather(1, kept))

    def _fitted(self, x: Float[Tensor, "rows width"], c: Float[Tensor, "rows size"]) -> Float[Tensor, "rows size"]:
        """The k largest coordinates of each row, fitted by least squares; the others 0."""
        assert self.k is not None
        kept = c.abs().topk(self.k, dim=1).indices
        step = max(1, ENTRIES // (self.k * self.width))
        fitted = [self._solved(*part) for part in zip(x.split(step), kept.split(step), strict=True)]
        return torch.zeros_like(c).scatter(1, kept, torch.cat(fitted))

    def _solved(self, x: Float[Tensor, "rows width"], kept: Tensor) -> Float[Tensor, "rows kept"]:
        directions = self.directions[kept]
        gram = (directions @ directions.mT).double()
        gram.diagonal(dim1=1, dim2=2).add_(1e-8)  # two directions that are the same leave the system without a solution
        return torch.linalg.solve(gram, (directions @ x[:, :, None]).double()).squeeze(2).to(x.dtype)

    def __repr__(self) -> str:
        return f"Linear({self.kind}, {self.size} of {self.width}{'' if self.k is None else f', k={self.k}'})"


def neurons(x: Float[Tensor, "rows width"], k: int | None = None) -> Linear:
    """The entries themselves, away from nothing: what a site offers without any dictionary.

    Arguments:
        x: activations, of which only the width counts.
        k: how many entries of an activation are kept.
    """
    return Linear("neurons", torch.eye(x.shape[1]), torch.zeros(x.shape[1]), k)


def random_directions(x: Float[Tensor, "rows width"], size: int, k: int | None = None, seed: int = 0) -> Linear:
    """Directions drawn uniformly: what any set of so many directions has.

    Arguments:
        x: activations; their mean is taken away.
        size: how many directions.
        k: how many are kept of an activation.
        seed: of the draw.
    """
    drawn = torch.randn(_checked(size), x.shape[1], generator=torch.Generator().manual_seed(seed))
    return Linear("random directions", drawn / drawn.norm(dim=1, keepdim=True), x.float().mean(0), k)


def pca(x: Float[Tensor, "rows width"], size: int | None = None, k: int | None = None) -> Linear:
    """The directions along which activations vary most.

    Arguments:
        x: activations.
        size: how many; all that vary by default.
        k: how many are kept of an activation.
    """
    found = PCA.fit(x, size)
    return Linear("pca", found.components, found.mean, k)


def ica(x: Float[Tensor, "rows width"], size: int | None = None, k: int | None = None, seed: int = 0) -> Linear:
    """Independent components (FastICA, Hyvarinen 1999): directions whose coordinates are as far from Gaussian as can be.

    Arguments:
        x: activations.
        size: how many, at most the width; the width by default.
        k: how many are kept of an activation.
        seed: of the start.

    Raises:
        InputError: more components than the activations have directions that vary.
    """
    import warnings

    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    size = x.shape[1] if size is None else _checked(size)
    rank = PCA.fit(x).size
    if size > rank:
        raise InputError(f"size={size}: these {len(x)} activations vary along {rank} directions; ask ica for 1 to {rank}")
    fitting = FastICA(size, whiten="unit-variance", max_iter=400, tol=1e-3, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # a baseline that has not settled is one all the same; its measured quality is what is shown
        fitting.fit(x.double().numpy())
    directions = torch.from_numpy(fitting.mixing_.T.copy())
    return Linear("ica", (directions / directions.norm(dim=1, keepdim=True)).float(), torch.from_numpy(fitting.mean_).float(), k)


def _checked(size: int) -> int:
    if size < 1:
        raise InputError(f"size={size}: give at least one direction")
    return size
