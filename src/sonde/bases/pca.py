"""Principal components: the directions along which activations vary most, c = (x - mean) V^T, decode(c) = mean + c V."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, content_hash

BLOCK = 2048  # activations that are widened to float64 at a time: they stay in the cache until they are used up


@dataclass(frozen=True, eq=False)
class PCA:
    """Principal components of activations; made by `fit`, or by `Moments` from a stream.

    Arguments:
        mean: of the activations.
        components: orthonormal, one per row, by falling variance.
        variance: of the activations along each of them.
        total: variance of the activations along all directions together.
        n: how many activations there were.

    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 2.0, 1.0, 0.1])
    >>> pca = PCA.fit(x, size=2)
    >>> pca, bool(pca.explained.sum() > 0.9)
    (PCA(2 of 4), True)
    """

    mean: Float[Tensor, " width"]
    components: Float[Tensor, "size width"]
    variance: Float[Tensor, " size"]
    total: float
    n: int

    @staticmethod
    def fit(x: Float[Tensor, "*rows width"], size: int | None = None) -> "PCA":
        """The components of some activations.

        Arguments:
            x: activations; every axis but the last counts them.
            size: how many components are kept; all that vary by default.
        """
        return Moments(x.shape[-1]).update(x).pca(size)

    @property
    def explained(self) -> Float[Tensor, " size"]:
        """The share of the total variance that each component carries."""
        return self.variance / self.total

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.components.shape[1]

    @property
    def size(self) -> int:
        """How many components there are."""
        return self.components.shape[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What the coordinates are called, by falling variance."""
        return tuple(f"PC{i + 1}" for i in range(self.size))

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(self)

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates of activations, from their mean."""
        return (x - self.mean.to(x)) @ self.components.to(x).T

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """The activations with these coordinates, and nothing outside the components."""
        return self.mean.to(c) + c @ self.components.to(c)

    def __repr__(self) -> str:
        return f"PCA({self.size} of {self.width})"


@dataclass
class Moments:
    """Mean and scatter of a stream of activations, in float64; the order and the size of the parts do not matter, up to rounding.

    Parts are merged by the pairwise update of Chan, Golub and LeVeque (1979). A scatter is symmetric, and only one half of it is computed.

    Arguments:
        width: entries of an activation.

    >>> Moments(2).update(torch.zeros(3, 2)).update(torch.ones(3, 2)).mean
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    width: int
    n: int = field(default=0, init=False)
    mean: Float[Tensor, " width"] = field(init=False, repr=False)
    half: Float[Tensor, "width width"] = field(init=False, repr=False)  # the scatter from its diagonal down; above it zeros

    def __post_init__(self) -> None:
        self.mean, self.half = torch.zeros(self.width, dtype=torch.float64), torch.zeros(self.width, self.width, dtype=torch.float64)

    @property
    def scatter(self) -> Float[Tensor, "width width"]:
        """The sum of the outer products of the activations' distances from their mean."""
        return self.half + self.half.tril(-1).T

    @property
    def covariance(self) -> Float[Tensor, "width width"]:
        """The scatter over the number of activations."""
        return self.scatter / max(self.n, 1)

    def update(self, x: Float[Tensor, "*rows width"]) -> "Moments":
        """Take in more activations; every axis but the last counts them.

        Raises:
            InputError: activations of another width, or not finite.
        """
        if x.shape[-1] != self.width or not finite(x):
            raise InputError(f"activations of shape {tuple(x.shape)}: give finite ones with {self.width} entries along the last axis")
        for block in x.detach().reshape(-1, self.width).split(BLOCK):
            self.absorb(block.to("cpu", torch.float64, copy=True))
        return self

    def absorb(self, rows: Float[Tensor, "n width"]) -> None:
        """Take in activations all at once; `update` does so block by block, and looks whether they are finite.

        Arguments:
            rows: finite, in float64, in C order on the CPU; they are used up.
        """
        from scipy.linalg.blas import dsyrk

        if len(rows):
            mean = rows.mean(0)
            rows -= mean
            self._spread(len(rows), mean)
            # C-ordered rows are what BLAS calls a transposed matrix in its own order, and a half below the diagonal is one above it
            dsyrk(1.0, rows.numpy().T, beta=1.0, c=self.half.numpy().T, overwrite_c=1)

    def merge(self, other: "Moments") -> "Moments":
        """Take in what another one has taken in.

        Arguments:
            other: of the same width; it stays as it is.
        """
        if other.width != self.width:
            raise InputError(f"moments of {other.width} entries do not go with those of {self.width}: merge what was read at one site")
        self._spread(other.n, other.mean)
        self.half += other.half
        return self

    def _spread(self, n: int, mean: Float[Tensor, " width"]) -> None:
        """Count n more activations with this mean, and what the distance of both means adds to the scatter."""
        from scipy.linalg.blas import dsyr

        if n:
            away, total = mean - self.mean, self.n + n
            dsyr(self.n * n / total, away.numpy(), a=self.half.numpy().T, overwrite_a=1)
            self.mean, self.n = self.mean + away * (n / total), total

    def pca(self, size: int | None = None) -> PCA:
        """The principal components of what was taken in.

        Arguments:
            size: how many are kept; all that vary by default.

        Raises:
            InputError: fewer than two activations, or fewer directions that vary than are asked for.
        """
        if self.n < 2:
            raise InputError(f"{self.n} activations have no components: give at least two")
        values, vectors = torch.linalg.eigh(self.scatter / (self.n - 1))
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        rank = int((values > values[0] * self.width * torch.finfo(torch.float64).eps).sum())
        if not 0 < (rank if size is None else size) <= rank:
            raise InputError(f"size={size}: these {self.n} activations vary along {rank} directions; ask for 1 to {rank}")
        kept = vectors[:, : rank if size is None else size].T
        largest = kept.gather(1, kept.abs().argmax(1, keepdim=True))
        kept = kept * largest.sign()  # a component and its negative are the same; the largest entry is made positive
        return PCA(self.mean.float(), kept.float(), values[: len(kept)].float(), float(values.sum()), self.n)


def finite(x: Tensor) -> bool:
    """Whether all entries are finite; their sum tells, unless it overflows.

    Arguments:
        x: any tensor.
    """
    return bool(x.sum().isfinite()) or bool(x.isfinite().all())
