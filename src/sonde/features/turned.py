"""The control of a direction: the same features, active at the same tokens as strongly, but writing in random directions of the same length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sonde.bases import Basis, directions
from sonde.evidence import random_directions
from sonde.results import content_hash


@dataclass(frozen=True, eq=False)
class Turned:
    """A basis some of whose features write elsewhere.

    Arguments:
        basis: the features as they are.
        features: the turned ones.
        moved: by how much the direction of each is changed.
    """

    basis: Any
    features: tuple[int, ...]
    moved: Float[Tensor, "turned width"]

    @staticmethod
    def random(basis: Basis, features: Sequence[int], seed: int = 0) -> "Turned":
        """Random directions, uniform on the sphere, as long as the features' own.

        Arguments:
            basis: with constant directions.
            features: which are turned.
            seed: of the directions.

        >>> import torch
        >>> from sonde.bases import Neurons
        >>> turned = Turned.random(Neurons(8), [2], seed=0)
        >>> round(float(turned.decode(torch.eye(8)[2]).norm()), 4), bool(torch.equal(turned.decode(torch.eye(8)[3]), torch.eye(8)[3]))
        (1.0, True)
        """
        own = directions(basis)[list(features)]
        drawn = random_directions(own.shape[1], len(features), seed).to(own) * own.norm(dim=1, keepdim=True)
        return Turned(basis, tuple(features), drawn - own)

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return int(self.basis.width)

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return int(self.basis.size)

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return tuple(self.basis.names)

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash([self.basis.hash, list(self.features), self.moved])

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates, as they were."""
        found: Tensor = self.basis.encode(x)
        return found

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows out"]:
        """What they stand for, in the turned directions."""
        told: Tensor = self.basis.decode(c)
        return told + (c[..., list(self.features)].to(self.moved.dtype) @ self.moved).to(told.dtype)
