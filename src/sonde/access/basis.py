"""A change of coordinates at a site: what `sonde.bases`, and any dictionary of features, must offer.

An activation x of `width` entries becomes `size` coordinates c = encode(x); decode(c) is the part of x that they stand for, and
x - decode(encode(x)) the error that they leave. Coordinates are changed by x' = x + (decode(c') - decode(c)), which keeps the error, and keeps x bit
for bit where c' = c, also where encoding is not linear.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Basis(Protocol):
    """Coordinates for the last axis of an activation.

    `width` is the number of entries that are read, `size` the number of coordinates; `names` says what each coordinate is called (empty where they
    have numbers only); `hash` is a content hash.
    """

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        ...

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What the coordinates are called; empty where they have numbers only."""
        ...

    @property
    def hash(self) -> str:
        """A content hash: equal for equal bases, in every process."""
        ...

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates of activations."""
        ...

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """The part of activations that these coordinates stand for."""
        ...


def transcodes(basis: Basis) -> bool:
    """Whether what a basis decodes to is something else than what it encodes: x - decode(encode(x)) then means nothing."""
    return bool(getattr(basis, "transcodes", False))


def moved(basis: Basis, x: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """An activation with its coordinates changed from `old` to `new`, and its error kept."""
    return x + (basis.decode(new) - basis.decode(old)).to(x.dtype)


def side_by_side(axes: tuple[str, ...], sizes: Sequence[int], width: int) -> bool:
    """Whether a basis of this width reads all heads of a site together.

    Arguments:
        axes: of the site.
        sizes: how many heads there are, and how many entries each has.
        width: of the basis.
    """
    return axes[-2:] in (("head", "d_head"), ("kv_head", "d_head")) and width == sizes[0] * sizes[1] != sizes[1]
