"""A subspace: orthonormal directions Q, c = x Q, and the part of x inside is c Q^T."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, content_hash


@dataclass(frozen=True, eq=False)
class Columns:
    """Directions R and the coordinates c = x R; a change of coordinates adds (c' - c) R^T, also where R is not orthonormal.

    Arguments:
        directions: one per column.
        names: what the coordinates are called; empty where they have numbers only.
    """

    directions: Float[Tensor, "width size"]
    names: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.directions.shape[0]

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return self.directions.shape[1]

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(self)

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates of activations."""
        return x @ self.directions.to(x)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """The vectors with these coordinates."""
        return c @ self.directions.to(c).T


@dataclass(frozen=True, eq=False)
class Subspace(Columns):
    """The span of some directions, with orthonormal coordinates; made by `span`, `random` or `complement`.

    Arguments:
        directions: orthonormal, one per column.
        names: what the coordinates are called; empty where they have numbers only.

    Raises:
        InputError: columns that are not orthonormal.

    >>> plane = Subspace.span([[3.0, 0.0, 4.0]])
    >>> plane.encode(torch.tensor([1.0, 2.0, 3.0]))
    tensor([3.])
    """

    def __post_init__(self) -> None:
        q = self.directions
        if q.ndim != 2 or not q.is_floating_point() or not 0 < q.shape[1] <= q.shape[0]:
            raise InputError(f"the directions of a subspace are columns, at least one and at most as many as entries; got {tuple(q.shape)}")
        off = (q.double().T @ q.double() - torch.eye(q.shape[1], dtype=torch.float64, device=q.device)).abs().max().item()
        if not off < 1e-4:
            raise InputError(f"the columns are not orthonormal (off by {off:.1e}): make a subspace of any directions with Subspace.span")
        if len(self.names) not in (0, q.shape[1]):
            raise InputError(f"{len(self.names)} names for {q.shape[1]} directions: give one for each, or none")

    @staticmethod
    def span(directions: Float[Tensor, "*size width"] | Sequence[Any], names: Sequence[str] = ()) -> "Subspace":
        """The span of directions, by QR: coordinates have unit length, and the first is along the first direction, with its sign.

        Arguments:
            directions: one per row; a single vector for a line. They need be neither orthogonal nor of unit length.
            names: what the coordinates are called.

        Raises:
            InputError: directions that depend on one another, or are not finite.
        """
        rows = torch.as_tensor(directions)
        rows = (rows if rows.ndim == 2 else rows.unsqueeze(0)).detach()
        double = rows.double().T
        if not double.isfinite().all() or not double.numel() or torch.linalg.matrix_rank(double).item() < double.shape[1]:
            raise InputError(f"these {rows.shape[0]} directions of {rows.shape[-1]} entries depend on one another: leave some out")
        q, r = torch.linalg.qr(double)
        q = q * r.diagonal().sign()
        return Subspace(q.to(rows.dtype if rows.is_floating_point() else torch.float32).contiguous(), tuple(names))

    @staticmethod
    def random(width: int, size: int, seed: int = 0) -> "Subspace":
        """A subspace drawn uniformly: the control for one that was found.

        Arguments:
            width: entries of an activation.
            size: of the subspace.
            seed: of the draw.
        """
        if not 0 < size <= width:
            raise InputError(f"size={size}: a subspace of {width} entries has 1 to {width} dimensions")
        return Subspace.span(torch.randn(size, width, generator=torch.Generator().manual_seed(seed)))

    def complement(self) -> "Subspace":
        """All directions at right angles to these."""
        if self.size == self.width:
            raise InputError(f"a subspace of all {self.width} dimensions has no complement")
        full, _ = torch.linalg.qr(self.directions.double(), mode="complete")
        return Subspace(full[:, self.size :].to(self.directions.dtype))

    def __repr__(self) -> str:
        return f"Subspace({self.size} of {self.width})"
