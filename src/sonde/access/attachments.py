"""Coordinates as sites: what `Model.attach` adds to a handle.

At a site with value x, a basis gives two more: its coordinates c = encode(x), and the error e = x - decode(c) that they leave. Both are computed on
reading, so attaching changes nothing. Writing one keeps the other: x' = x + (decode(c') - decode(c)), or x' = x + (e' - e).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from sonde.access.architectures import Architecture, SiteSpec
from sonde.access.basis import Basis, moved
from sonde.access.layouts import Layout
from sonde.access.selection import POSITION_AXES
from sonde.access.views import Firing
from sonde.results import InputError, SiteUnavailable, shown


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
        return self.basis.encode(_entries_last(self, raw, firing))

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        x = _entries_last(self, raw, firing)
        return moved(self.basis, x, old, new).movedim(-1, _entries(self.site, raw, firing))


class Rest(OfBasis):
    """What the coordinates leave out of a site's value."""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        x = _entries_last(self, raw, firing)
        rest = x - self.basis.decode(self.basis.encode(x)).to(x.dtype)
        return rest.movedim(-1, _entries(self.site, raw, firing))

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return raw + (new - old)


def attachment(site: SiteSpec, basis: Basis, name: str, architecture: Architecture, before: int) -> tuple[SiteSpec, SiteSpec]:
    """The sites of a basis at a site: its coordinates and their error.

    Arguments:
        site: where.
        basis: coordinates of the site's entries.
        name: what the coordinates are called.
        architecture: the model's sizes.
        before: how many bases were attached before; edits of later ones see what earlier ones wrote.

    Raises:
        InputError: no basis, a name that is none. SiteUnavailable: a site without entries, or with another number of them than the basis reads.
    """
    if not isinstance(basis, Basis):
        raise InputError(f"{shown(basis)} is no basis: give one of sonde.bases, or an object with width, size, names, hash, encode and decode")
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"name={shown(name)} can't be part of a site's name: use letters, digits and underscores, with a letter first")
    axis = "channel" if "channel" in site.axes else site.axes[-1] if site.axes else ""
    if axis in (*POSITION_AXES, "batch"):
        raise SiteUnavailable(f"{site.name!r} has the axes {' '.join(site.axes)}: its last axis counts rows or tokens, and has no coordinates")
    sizes = {"d_model": architecture.d_model, "d_head": architecture.d_head, "d_mlp": architecture.d_mlp, "vocab": architecture.d_vocab}
    if sizes.get(axis) and sizes[axis] != basis.width:
        raise SiteUnavailable(f"{site.name!r} has {sizes[axis]} entries along {axis}, and the basis reads {basis.width}; attach it where it was made")
    features, error = f"{site.name}.{name}", f"{site.name}.{name}.error"
    at_entries, rest = Coordinates(site, basis), Rest(site, basis)
    # after the site itself, before what comes after it at the same point
    common = replace(site, base=site, seen=None, rank=site.rank + 1 - 1 / (before + 2))
    layout = Layout({n: _featured(names) for n, names in site.layout.axes.items()}, at_entries, site.layout.strict)
    return (
        replace(common, name=features, axes=_featured(site.axes), view=at_entries, layout=layout, beside={error: rest},
                meaning=f"coordinates of {site.name.rpartition('.')[2]} in {basis!r}"),
        replace(common, name=error, view=rest, beside={features: at_entries}, meaning=f"what {name} leaves out"),
    )  # fmt: skip


def _entries_last(view: OfBasis, value: Tensor, firing: Firing) -> Tensor:
    """A site's value with its entries along the last axis; raises `SiteUnavailable` where the basis reads another number of them."""
    axis = _entries(view.site, value, firing)
    if value.shape[axis] != view.basis.width:
        raise SiteUnavailable(
            f"{view.site.name!r} has {value.shape[axis]} entries here, and the basis reads {view.basis.width}; attach it where it was made"
        )
    if not value.is_floating_point():
        raise SiteUnavailable(f"{view.site.name!r} holds whole numbers ({value.dtype}), which have no coordinates; attach to a site after it")
    return value.movedim(axis, -1)


def _entries(site: SiteSpec, value: Tensor, firing: Firing) -> int:
    """The axis of the entries: channels, or the last one."""
    axes = site.axes_of(value, firing.batch)
    return axes.index("channel") if "channel" in axes else len(axes) - 1


def _featured(axes: tuple[str, ...]) -> tuple[str, ...]:
    """The axes of the coordinates of a value with these axes."""
    entries = "channel" if "channel" in axes else axes[-1] if axes else ""
    return (*(axis for axis in axes if axis != entries), "feature") if axes else ()
