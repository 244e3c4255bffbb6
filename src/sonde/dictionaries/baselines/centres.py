"""The nearest of some centres: each activation is one of them, so its one coordinate is 1. L0 is 1 by construction."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.bases import Codes
from sonde.results import InputError, content_hash


@dataclass(frozen=True, eq=False, repr=False)
class Centres:
    """Centres of clusters as directions; an activation has coordinate 1 at the nearest, by Euclidean distance.

    Arguments:
        directions: the centres, one a row.

    >>> Centres(torch.tensor([[0.0, 0.0], [4.0, 0.0]])).encode(torch.tensor([[3.0, 1.0]]))
    tensor([[0., 1.]])
    """

    directions: Float[Tensor, "size width"]

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.directions.shape[1]

    @property
    def size(self) -> int:
        """How many centres there are."""
        return self.directions.shape[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Centres have numbers only."""
        return ()

    @cached_property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(["k-means", self.directions])

    def codes(self, x: Float[Tensor, "rows width"]) -> Codes:
        """The nearest centre of each activation.

        Arguments:
            x: activations, one a row.
        """
        # |x - d|^2 without |x|^2, which is the same for every centre
        nearest = (x.to(self.directions.dtype) @ self.directions.T - self.directions.pow(2).sum(1) / 2).argmax(1)
        return Codes(torch.ones(len(x), dtype=self.directions.dtype), nearest, torch.arange(len(x)), self.size)

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """1 at the nearest centre."""
        return self.codes(x.reshape(-1, self.width)).dense().view(*x.shape[:-1], self.size)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """What coordinates stand for."""
        return c.to(self.directions.dtype) @ self.directions

    def __repr__(self) -> str:
        return f"Centres({self.size} of {self.width})"


def kmeans(x: Float[Tensor, "rows width"], size: int, k: int | None = None, seed: int = 0) -> Centres:
    """Clusters of activations (Lloyd), by scikit-learn's mini-batches.

    Arguments:
        x: activations.
        size: how many centres.
        k: 1, or nothing: an activation has one nearest centre.
        seed: of the start.

    Raises:
        InputError: another k, or fewer activations than centres.
    """
    from sklearn.cluster import MiniBatchKMeans

    if k not in (None, 1):
        raise InputError(f"k={k}: an activation has one nearest centre, so kmeans has an L0 of 1; leave k out")
    if not 0 < size <= len(x):
        raise InputError(f"size={size}: {len(x)} activations make 1 to {len(x)} clusters")
    fitting = MiniBatchKMeans(size, random_state=seed, n_init=3, batch_size=max(1024, size))
    return Centres(torch.from_numpy(fitting.fit(x.double().numpy()).cluster_centers_).float())
