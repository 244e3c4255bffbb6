"""Edits of coordinates in a basis: x' = x + (decode(c') - decode(c)), so that what the basis leaves out stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from sonde.access.basis import Basis, moved, transcodes
from sonde.access.edits.arranged import CHANNEL, arranged
from sonde.access.edits.base import Place, SiteEdit, Value, checked, fit
from sonde.access.selection import POSITION_AXES
from sonde.access.sites import Site
from sonde.results import EditError, shown


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Project(SiteEdit):
    """Keep nothing but some coordinates, or take them out and keep the rest.

    Arguments:
        site: where.
        basis: the coordinates, of the site's entries: its last axis, its channels, or all heads side by side.
        part: "keep" writes what these coordinates stand for, without the others and without the basis' error; "remove" sets them to zero.
        dims: which coordinates; all of them by default.

    Raises:
        EditError: another part, a coordinate that the basis has not; in a run: a basis that does not fit the site.
    """

    basis: Basis
    part: Literal["keep", "remove"]
    dims: tuple[int, ...] | None

    def __init__(
        self, site: str | Site, basis: Basis, part: Literal["keep", "remove"], dims: Sequence[int] | None = None
    ) -> None:  # fmt: skip
        super().__init__(site)
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "part", part)
        object.__setattr__(self, "dims", chosen(dims, basis, self))
        if part not in ("keep", "remove"):
            raise EditError(f"{self}: write 'keep' or 'remove'")

    def new(self, old: Tensor) -> Tensor:
        c = encoded(self.basis, old, self)
        inside = picked(self.dims, c)
        if self.part == "keep":
            return self.basis.decode(torch.where(inside, c, 0)).to(old.dtype)
        return moved(self.basis, old, c, torch.where(inside, 0, c))

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The projection, if the basis is one of this site's entries."""
        fitting(place, self)
        return replace(self, basis=arranged(self.basis, old, place, self.site)).new(old)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Clamp(SiteEdit):
    """Set coordinates to a value (feature clamping).

    Arguments:
        site: where; a site of attached coordinates, or with `basis` any site.
        value: a number, or a tensor that broadcasts to the coordinates that are set.
        basis: the coordinates of the site's entries; by default the site holds coordinates itself.
        dims: which of them; all of them by default.

    Raises:
        EditError: the value holds NaN, a coordinate that the basis has not; in a run: a basis or a value that does not fit the site.

    >>> Clamp("blocks.6.resid_post.sae", 4.0, dims=[3])
    Clamp('blocks.6.resid_post.sae', value=4, dims=(3,))
    """

    value: Value
    basis: Basis | None
    dims: tuple[int, ...] | None

    def __init__(self, site: str | Site, value: Value, basis: Basis | None = None, dims: Sequence[int] | None = None) -> None:
        super().__init__(site)
        object.__setattr__(self, "value", checked(value, self))
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "dims", chosen(dims, basis, self))

    def new(self, old: Tensor) -> Tensor:
        c = old if self.basis is None else encoded(self.basis, old, self)
        new = c.clone()
        dims = slice(None) if self.dims is None else list(chosen(self.dims, c.shape[-1], self) or ())
        new[..., dims] = fit(self.value, c[..., dims], self)
        return new if self.basis is None else moved(self.basis, old, c, new)

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The old value with its coordinates set, if they are those of this site's entries."""
        if self.basis is not None or self.dims is not None:
            fitting(place, self)
        basis = self.basis and arranged(self.basis, old, place, self.site)
        return replace(self, basis=basis).new(old)


def chosen(dims: Sequence[int] | None, basis: Basis | int | None, edit: SiteEdit) -> tuple[int, ...] | None:
    """The coordinates that are meant; raises `EditError` for one that is not there, or is there twice."""
    named = f"{type(edit).__name__}({str(edit.site)!r})"
    if basis is not None and not isinstance(basis, int | Basis):
        raise EditError(f"{named}: {shown(basis)} is no basis; give one of sonde.bases, such as sonde.bases.Neurons")
    if dims is None:
        return None
    size = basis.size if isinstance(basis, Basis) else basis
    numbers = tuple(int(dim) for dim in dims)
    if not numbers or len(set(numbers)) < len(numbers) or not all(dim >= 0 and (size is None or dim < size) for dim in numbers):
        there = "" if size is None else f" from 0 to {size - 1}"
        raise EditError(f"{named}: dims={numbers} are no coordinates; give different whole numbers{there}")
    return numbers


def encoded(basis: Basis, x: Tensor, edit: SiteEdit) -> Tensor:
    """The coordinates of the selected part; raises `EditError` where its width is another, or the basis reads another site."""
    if transcodes(basis):
        raise EditError(f"{edit}: this basis reads something else than what it writes; attach it (model.attach) and edit its coordinates")
    if not x.ndim or x.shape[-1] != basis.width:
        raise EditError(f"{edit}: the basis takes {basis.width} entries and the site's last axis has {x.shape[-1] if x.ndim else 'none'} here")
    if not x.is_floating_point():
        raise EditError(f"{edit}: the site holds whole numbers ({x.dtype}), which have no coordinates; edit a site after them")
    return basis.encode(x)


def fitting(place: Place, edit: SiteEdit) -> None:
    """Raise `EditError` unless the entries of the selected part are all of the site's or of a head's, and such that coordinates may stand for."""
    last = CHANNEL if CHANNEL in place.axes and getattr(edit, "basis", None) is not None else place.axes[-1]
    if last in (*POSITION_AXES, "batch") or last in dict(edit.site.select):
        raise EditError(
            f"{edit}: coordinates need the whole last axis of a site, and {last!r} is selected or counts rows or tokens; choose with dims="
        )


def picked(dims: tuple[int, ...] | None, c: Tensor) -> Tensor:
    """True at the coordinates that are meant."""
    mask = torch.zeros(c.shape[-1], dtype=torch.bool, device=c.device)
    mask[slice(None) if dims is None else list(dims)] = True
    return mask
