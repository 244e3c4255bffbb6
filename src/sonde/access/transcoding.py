"""Coordinates of what is read at other sites than the one that they write: a transcoder's features, those of a crosscoder at one of its sites.

With r what is read (several sites side by side) and x the value of the written site in the same forward:

    c = encode(r)        e = x - reconstruct(r)        x' = x + (decode(c') - decode(c))

so a feature is edited where it writes, the model computes on from there, and what the features leave out of x stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sonde.access.architectures import Architecture, SiteSpec
from sonde.access.basis import Basis, moved, transcodes
from sonde.access.coordinates import OfBasis, entries_axis, entries_last
from sonde.access.views import Firing
from sonde.results import InputError, SiteUnavailable, shown


@dataclass(frozen=True, eq=False)
class Elsewhere(OfBasis):
    """What a basis makes of other sites' values, for the one that it writes.

    Arguments:
        site: the one that is written.
        basis: from the entries read to coordinates, and from these to the entries written.
        reads: the sites that are read, side by side.
        features: the name of the coordinates' site.
        width: how many entries are written.
    """

    reads: tuple[SiteSpec, ...]
    features: str
    width: int
    sees_changes: ClassVar[bool] = False

    def read(self, raw: Tensor, firing: Firing) -> Tensor:
        """What the basis reads."""
        x, parts = self.x(raw, firing), []
        for spec in self.reads:
            if spec.name != self.site.name and spec.name not in firing.earlier:
                raise SiteUnavailable(
                    f"{self.features!r} is computed from {spec.name!r}, which this forward has not passed where it reaches {self.site.name!r}"
                )
            parts.append(x if spec.name == self.site.name else entries_last(spec, firing.earlier[spec.name], firing))
        if any(part.shape[:-1] != x.shape[:-1] for part in parts) or sum(part.shape[-1] for part in parts) != self.basis.width:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts)
            raise SiteUnavailable(
                f"{self.features!r} reads {self.basis.width} entries for each of {tuple(x.shape[:-1])} places of {self.site.name!r}; here: {shapes}"
            )
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    def x(self, raw: Tensor, firing: Firing) -> Tensor:
        """The value that is written."""
        return entries_last(self.site, raw, firing, self.width)

    def coordinates(self, raw: Tensor, firing: Firing) -> Tensor:
        """The coordinates as they are now: written ones, or those of what is read."""
        written = firing.written.get(self.features)
        return self.basis.encode(self.read(raw, firing)) if written is None else written


class TranscodedCoordinates(Elsewhere):
    """The coordinates of what is read elsewhere, in place of the axis of entries."""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return self.coordinates(raw, firing)

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return moved(self.basis, self.x(raw, firing), old, new).movedim(-1, entries_axis(self.site, raw, firing))


class TranscodedRest(Elsewhere):
    """What the coordinates of what is read elsewhere leave out of the site's value, a skip connection not left out."""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        x, told = self.x(raw, firing), self.basis.decode(self.coordinates(raw, firing))
        skipped = getattr(self.basis, "skipped", None)
        told = told if skipped is None else told + skipped(self.read(raw, firing))
        return (x - told.to(x.dtype)).movedim(-1, entries_axis(self.site, raw, firing))

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return raw + (new - old)


def sites_read(basis: Basis, given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of the sites that a basis reads, where it does not read the one that it is attached to.

    Arguments:
        basis: what is attached.
        given: as the user named them.

    Raises:
        InputError: a transcoder that does not know what it reads.
    """
    if given is not None:
        return (given,) if isinstance(given, str) else tuple(given)
    if not transcodes(basis):
        return ()
    names = tuple(part.site for part in getattr(basis, "reads", ()))
    if not names or not all(names):
        raise InputError(f"{shown(basis)} reads something else than what it writes: say which site with reads=")
    return names


def refuse_order(site: SiteSpec, reads: Sequence[SiteSpec], architecture: Architecture) -> None:
    """Raise `SiteUnavailable` where the written site is passed before one that is read."""
    order = list(architecture.sites)
    for spec in reads:
        known = spec.name in order and site.name in order
        if spec.name != site.name and (spec.point == site.point or (known and order.index(spec.name) > order.index(site.name))):
            raise SiteUnavailable(
                f"{spec.name!r} is read where the forward has passed {site.name!r} already, or just then: attach a basis where it writes, after all "
                "that it reads"
            )


def width_written(site: SiteSpec, basis: Basis, width: int | None) -> int:
    """How many entries a basis writes.

    Arguments:
        site: where.
        basis: what is attached.
        width: how many entries the site has, where that is known.

    Raises:
        SiteUnavailable: another number than the site has, or several sites at once.
    """
    parts = getattr(basis, "writes", ())
    if len(parts) > 1:
        raise SiteUnavailable(
            f"{shown(basis)} writes {len(parts)} sites at once, and the first is passed before all are read: attach it at the last, with "
            "dictionary.writing(site) and reads="
        )
    with torch.no_grad():
        written = basis.decode(torch.zeros(1, basis.size)).shape[-1]
    if width and width != written:
        raise SiteUnavailable(f"{site.name!r} has {width} entries, and the basis writes {written}; attach it where it writes")
    return int(written)
