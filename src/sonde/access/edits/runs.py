"""Edits that take from another run: a whole value, or some of its coordinates in a basis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonde.access.basis import Basis, moved
from sonde.access.edits.arranged import arranged
from sonde.access.edits.base import Place, SiteEdit, drops_batch, fit
from sonde.access.edits.coordinates import chosen, encoded, fitting, picked
from sonde.access.selection import POSITION_AXES, Rows
from sonde.access.sites import Site
from sonde.results import EditError, shown

if TYPE_CHECKING:
    from sonde.access.run import Run


@dataclass(frozen=True, eq=False, repr=False, init=False)
class FromRun(SiteEdit):
    """Base of the edits that take from another run.

    Arguments:
        site: where, in this run and, unless `at` says otherwise, in the other. Each run counts its own positions: `pos=-1` takes from the other's
            last token, `pos=subject` from its own subject.
        source: a `Run` that has read the place; of one row, or of as many rows as this run.
        at: another place in the source, whose selected part has the same shape.
    """

    source: "Run"
    at: Site | None

    def __init__(self, site: str | Site, source: "Run", at: str | Site | None = None) -> None:
        super().__init__(site)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "at", None if at is None else Site.parse(at))
        if not hasattr(source, "inputs"):
            raise EditError(f"{type(self).__name__}({str(self.site)!r}): {shown(source)} is no run; give what model.run returned")
        source[self.taken]  # refuse at once what was not read, not in the middle of a run

    @property
    def taken(self) -> Site:
        """The place in the source."""
        return self.at or self.site

    @property
    def content(self) -> dict[str, Any]:
        return {**super().content, "source": self.source[self.taken]}

    def value(self, old: Tensor) -> Tensor:
        """What is taken, as a tensor of the old one's shape; raises `EditError` unless it means the same part."""
        value = self.source[self.taken]
        rows = 0 if drops_batch(self.site) else 1
        aligned = drops_batch(self.taken) == drops_batch(self.site)
        if not aligned or value.shape[rows:] != old.shape[rows:] or (rows and value.shape[0] not in (1, old.shape[0])):
            raise EditError(f"{self}: the source holds {tuple(value.shape)} and the run {tuple(old.shape)}; {_SAME}")
        return fit(value, old, self)

    def refuse_other_rows(self, place: Place) -> None:
        """Raise `EditError` where a column means another position in the source than in this run, though the shapes may agree."""
        here, there = place.rows, self.source.inputs.rows
        if here is None or there is None:
            return
        whole = (_whole(self.site, place.axes), _whole(self.taken, self.source.axes(self.taken)))
        # columns are taken for columns only where neither run has padding, or both have the same
        same = here.alike(there) if all(whole) else not (whole[0] and here.ragged) and not (whole[1] and there.ragged)
        if any(whole) and not same:
            raise EditError(f"{self}: the source's rows have {_lengths(there)} tokens and the run's {_lengths(here)}; {_SAME}")


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Patch(FromRun):
    """Write the value that the same site, or another one, has in another run (activation patching).

    Arguments:
        site: where, in this run and, unless `at` says otherwise, in the other. Each run counts its own positions: `pos=-1` takes from the other's
            last token, `pos=subject` from its own subject.
        source: a `Run` that has read the place; of one row, or of as many rows as this run.
        at: another place in the source, whose selected part has the same shape.

    Raises:
        UnknownSite: the other run has not read the site. EditError, in a run: the two differ in length or in rows.
    """

    def new(self, old: Tensor) -> Tensor:
        return self.value(old)

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The source's value, if it means the same positions."""
        self.refuse_other_rows(place)
        return self.new(old)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Swap(FromRun):
    """Write some coordinates of another run's value, and keep the others (an interchange intervention in a subspace).

    Arguments:
        site, source, at: as for `Patch`.
        basis: the coordinates, of the site's entries: its last axis, its channels, or all heads side by side.
        dims: which of them are taken; all of them by default.

    Raises:
        EditError: a coordinate that the basis has not; in a run: what `Patch` refuses, or a basis that does not fit the site.
    """

    basis: Basis
    dims: tuple[int, ...] | None

    def __init__(self, site: str | Site, source: "Run", basis: Basis, dims: Sequence[int] | None = None, at: str | Site | None = None) -> None:
        super().__init__(site, source, at)
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "dims", chosen(dims, basis, self))

    def new(self, old: Tensor) -> Tensor:
        theirs, c = encoded(self.basis, self.value(old), self), encoded(self.basis, old, self)
        return moved(self.basis, old, c, torch.where(picked(self.dims, c), theirs, c))

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The old value with the source's coordinates, if they mean the same positions."""
        self.refuse_other_rows(place)
        fitting(place, self)
        return replace(self, basis=arranged(self.basis, old, place, self.site)).new(old)


_SAME = "patch runs of the same length, or select positions that both have"


def _whole(site: Site, axes: Sequence[str]) -> bool:
    """Whether all columns of a site are meant, along some axis of positions."""
    return any(axis in axes and axis not in dict(site.select) for axis in POSITION_AXES)


def _lengths(rows: Rows) -> str:
    return ", ".join(map(str, rows.lengths[:8])) + (", ..." if len(rows.lengths) > 8 else "")
