"""What takes a concept out of activations: an affine map x - P (x - mu) with a projection P = D E of low rank.

E reads the concept's coordinates, c = E (x - mu), and D says what they stand for, so an eraser is a basis, and erasing is the projection that removes
its coordinates: an edit as any other, that runs, sweeps, generates and is saved.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Project, Site
from sonde.results import content_hash


@dataclass(frozen=True, eq=False, repr=False)
class Eraser:
    """A projection that takes a concept out, with what fitting it left and cost; made by `LeaceSums`, `inlp`, `random_erasers`, ...

    Arguments:
        kind: how it was made, such as "leace".
        centre: mu, which is mapped to itself: the mean of the activations, float64.
        encoder: E, one row for each direction that is taken out, float64.
        decoder: D, one row for each of them too: E D^T is the identity.
        change: the mean squared length of what it takes from the activations that it was fitted on.
        before: the largest cross-covariance of an entry with a target, on those activations.
        residual: the same after erasing: what of the concept a linear probe may still find.
        n: how many activations it was fitted on.

    >>> eraser = Eraser("by hand", torch.zeros(3).double(), torch.eye(3)[:1].double(), torch.eye(3)[:1].double(), 1.0, 1.0, 0.0, 10)
    >>> eraser, eraser(torch.tensor([2.0, 3.0, 4.0]))
    (Eraser('by hand': rank 1 of 3, residual 0 of 1), tensor([0., 3., 4.]))
    """

    kind: str
    centre: Float[Tensor, " width"]
    encoder: Float[Tensor, "rank width"]
    decoder: Float[Tensor, "rank width"]
    change: float
    before: float
    residual: float
    n: int

    @property
    def rank(self) -> int:
        """How many directions are taken out."""
        return len(self.encoder)

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return len(self.centre)

    @property
    def size(self) -> int:
        """How many coordinates the concept has: the rank."""
        return self.rank

    @property
    def names(self) -> tuple[str, ...]:
        """The coordinates have numbers only."""
        return ()

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(self)

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows rank"]:
        """The concept's coordinates; in float32 at least, since a half-precision centre would leave some of the concept."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (wide - self.centre.to(wide)) @ self.encoder.to(wide).T

    def decode(self, c: Float[Tensor, "*rows rank"]) -> Float[Tensor, "*rows width"]:
        """What these coordinates stand for."""
        return c @ self.decoder.to(c)

    def __call__(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """Activations without the concept."""
        return x - self.decode(self.encode(x)).to(x.dtype)

    def edit(self, site: str | Site) -> Project:
        """The removal at a site, as an edit.

        Arguments:
            site: where; of some positions only, where it has a selection.
        """
        return Project(site, self, "remove")

    def __repr__(self) -> str:
        return f"Eraser({self.kind!r}: rank {self.rank} of {self.width}, residual {self.residual:.3g} of {self.before:.3g})"
