"""The basis that a site has already: every entry is a coordinate, and nothing is left out."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, content_hash


@dataclass(frozen=True)
class Neurons:
    """The entries themselves.

    Arguments:
        width: how many there are.
        names: what they are called; empty where they have numbers only.

    >>> Neurons(3).size
    3
    """

    width: int
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.width < 1 or len(self.names) not in (0, self.width):
            raise InputError(f"width={self.width} with {len(self.names)} names: give at least one entry, and as many names as entries or none")

    @property
    def size(self) -> int:
        """How many coordinates there are: as many as entries."""
        return self.width

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(self)

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """The activations themselves."""
        return x

    def decode(self, c: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """The coordinates themselves."""
        return c
