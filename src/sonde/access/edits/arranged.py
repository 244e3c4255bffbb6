"""A basis of a site's entries, wherever they lie: channels of a map, heads side by side, or the last axis.

What reads activations lays them out as rows of entries, with the heads of a site one after the other. A basis that was fitted on such rows is written
back the same way.
"""

from dataclasses import dataclass

from torch import Tensor

from sonde.access.basis import Basis, side_by_side, transcodes
from sonde.access.edits.base import Place
from sonde.access.sites import Site
from sonde.results import EditError

CHANNEL = "channel"


@dataclass(frozen=True, eq=False)
class Arranged:
    """A basis of entries that lie elsewhere than along the last axis.

    Arguments:
        basis: of the entries.
    """

    basis: Basis

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return self.basis.size

    @property
    def names(self) -> tuple[str, ...]:
        """What the coordinates are called."""
        return self.basis.names

    @property
    def hash(self) -> str:
        """A content hash: that of the basis."""
        return self.basis.hash


@dataclass(frozen=True, eq=False)
class HeadsTogether(Arranged):
    """A basis that reads all heads of a site together, as a basis of the site's own last axes.

    Arguments:
        basis: as wide as all heads.
        heads: how many there are.
    """

    heads: int

    @property
    def width(self) -> int:
        """Entries of a head."""
        return self.basis.width // self.heads

    def encode(self, x: Tensor) -> Tensor:
        """The coordinates of all heads together."""
        return self.basis.encode(x.flatten(-2))

    def decode(self, c: Tensor) -> Tensor:
        """What they stand for in each head."""
        apart: Tensor = self.basis.decode(c).unflatten(-1, (self.heads, self.width))
        return apart


@dataclass(frozen=True, eq=False)
class OfChannels(Arranged):
    """A basis of channels, where they are not the last axis.

    Arguments:
        basis: of the channels.
        axis: theirs, counted from the end.
        last: entries of the last axis.
    """

    axis: int
    last: int

    @property
    def width(self) -> int:
        """Entries of the last axis, which the basis leaves where it is."""
        return self.last

    def encode(self, x: Tensor) -> Tensor:
        """The coordinates of each place, along the last axis."""
        return self.basis.encode(x.movedim(self.axis, -1))

    def decode(self, c: Tensor) -> Tensor:
        """What they stand for, with the channels back where they were."""
        return self.basis.decode(c).movedim(-1, self.axis)


def arranged(basis: Basis, old: Tensor, place: Place, site: Site) -> Basis:
    """The basis as one of the selected part's own axes.

    Arguments:
        basis: of a site's entries.
        old: the selected part.
        place: where it was met.
        site: with its selection.

    Raises:
        EditError: a map with another number of channels.
    """
    chosen = dict(site.select)
    kept = tuple(axis for axis in place.axes if not isinstance(chosen.get(axis), int | str))
    if transcodes(basis) or len(kept) != old.ndim:
        return basis
    if side_by_side(kept, old.shape[-2:], basis.width):
        return HeadsTogether(basis, old.shape[-2])
    if CHANNEL in kept[:-1]:
        if basis.width != old.shape[kept.index(CHANNEL)]:
            raise EditError(f"{str(site)!r} has {old.shape[kept.index(CHANNEL)]} channels and the basis takes {basis.width} entries")
        return OfChannels(basis, kept.index(CHANNEL) - old.ndim, old.shape[-1])
    return basis
