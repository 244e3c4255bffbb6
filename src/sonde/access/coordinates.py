"""The views of coordinates: from a site's value x to c = encode(x) and to the error e = x - decode(c), and back."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sonde.access.architectures import SiteSpec
from sonde.access.basis import Basis, moved, side_by_side
from sonde.access.views import Firing
from sonde.results import SiteUnavailable


@dataclass(frozen=True, eq=False)
class OfBasis:
    """What a basis makes of a site's value; what it unpacks is that value.

    Arguments:
        site: the one that is unpacked.
        basis: from entries to coordinates, and back.
    """

    site: SiteSpec
    basis: Basis
    sees_changes: ClassVar[bool] = True

    @property
    def block(self) -> str:
        """What the site's own view needs."""
        return self.site.view.block


class Coordinates(OfBasis):
    """The coordinates of a site's value, in place of its axis of entries."""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return self.basis.encode(entries_last(self.site, raw, firing, self.basis.width))

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        x = entries_last(self.site, raw, firing, self.basis.width)
        changed = moved(self.basis, x, old, new)
        return changed.movedim(-1, entries_axis(self.site, raw, firing)) if x.ndim == raw.ndim else changed.reshape(raw.shape)


class Rest(OfBasis):
    """What the coordinates leave out of a site's value."""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        x = entries_last(self.site, raw, firing, self.basis.width)
        rest = x - self.basis.decode(self.basis.encode(x)).to(x.dtype)
        return rest.movedim(-1, entries_axis(self.site, raw, firing)) if x.ndim == raw.ndim else rest.reshape(raw.shape)

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return raw + (new - old)


def entries_last(site: SiteSpec, value: Tensor, firing: Firing, width: int | None = None) -> Tensor:
    """A site's value with its entries along the last axis; of heads all of them side by side, where that many entries are expected.

    Arguments:
        site: whose value it is.
        value: the site's.
        firing: where it was met.
        width: how many entries are expected; any number by default.

    Raises:
        SiteUnavailable: another number of entries, or no real numbers.
    """
    axis = entries_axis(site, value, firing)
    if width is not None and side_by_side(site.axes, value.shape[-2:], width):
        value, axis = value.flatten(-2), value.ndim - 2
    if width is not None and value.shape[axis] != width:
        raise SiteUnavailable(f"{site.name!r} has {value.shape[axis]} entries here, and the basis reads {width}; attach it where it was made")
    if not value.is_floating_point():
        raise SiteUnavailable(f"{site.name!r} holds whole numbers ({value.dtype}), which have no coordinates; attach to a site after it")
    return value.movedim(axis, -1)


def entries_axis(site: SiteSpec, value: Tensor, firing: Firing) -> int:
    """The axis of the entries: channels, or the last one."""
    axes = site.axes_of(value, firing.batch)
    return axes.index("channel") if "channel" in axes else len(axes) - 1
