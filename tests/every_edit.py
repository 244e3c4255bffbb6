"""Every kind of edit, as the matrix makes it: the edit, and by a formula of its own what must be read afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import sonde
from sonde.access import Run

if TYPE_CHECKING:
    from matrix import Subject

Made = tuple[sonde.access.Edit, Tensor]  # an edit, and what must be read afterwards in the part that it speaks of


@dataclass(frozen=True)
class Turned:
    """An orthonormal basis of some entries, drawn at random: the coordinates of the matrix."""

    axes: Tensor  # width size
    names: tuple[str, ...] = ()
    hash: str = "turned"

    @property
    def width(self) -> int:
        return self.axes.shape[0]

    @property
    def size(self) -> int:
        return self.axes.shape[1]

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.axes.to(x.dtype)

    def decode(self, c: Tensor) -> Tensor:
        return c @ self.axes.to(c.dtype).T


@cache
def turned(width: int) -> Turned:
    """The basis of so many entries; half as many coordinates, so that it leaves an error."""
    return Turned(torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(width)))[0][:, : (width + 1) // 2])


def swap(s: "Subject", site: sonde.Site, old: Tensor, bump: Tensor) -> Made:
    """The first coordinate of another run."""
    basis = turned(old.shape[-1])
    along = basis.axes[:, :1]
    return sonde.Swap(site, s.other, basis, dims=[0]), old + (s.other[site] - old) @ along @ along.T


def project(s: "Subject", site: sonde.Site, old: Tensor, bump: Tensor) -> Made:
    """The basis' part without its error."""
    basis = turned(old.shape[-1])
    return sonde.Project(site, basis, "keep"), old @ basis.axes @ basis.axes.T


def clamp(s: "Subject", site: sonde.Site, old: Tensor, bump: Tensor) -> Made:
    """The first coordinate at a value."""
    basis = turned(old.shape[-1])
    return sonde.Clamp(site, 3.0, basis, dims=[0]), old + (3.0 - old @ basis.axes[:, :1]) @ basis.axes[:, :1].T


def noise(s: "Subject", site: sonde.Site, old: Tensor, bump: Tensor) -> Made:
    """Noise belongs to places: a part's is the part of the whole's."""
    whole = sonde.Noise(site.name, 0.05, seed=7)
    return sonde.Noise(site, 0.05, seed=7), s.model.run(s.inputs, edits=[whole], read=[site.name, *s.recorded])[site]


def by_row(s: "Subject", site: sonde.Site, old: Tensor, bump: Tensor) -> Made:
    """One row has an edit and the other none."""
    if "batch" in dict(site.select):
        others = [None] * (len(s.base[site.name]) - 2)
        return sonde.PerRow([None, sonde.Add(site.whole(), bump), *others]), old + bump
    expected = old.clone()
    expected[0] += bump[0]
    return sonde.PerRow([sonde.Add(site, bump[0]), *[None] * (len(old) - 1)]), expected


# from a subject, a site, its old value, and a value that is positive, as a norm's scale must be, and differs in every entry
EDITS: dict[str, Callable[["Subject", sonde.Site, Tensor, Tensor], Made]] = {
    "zero": lambda s, site, old, bump: (sonde.Zero(site), torch.zeros_like(old)),
    "set": lambda s, site, old, bump: (sonde.Set(site, bump), bump),
    "mean": lambda s, site, old, bump: (sonde.Mean(site, bump[0]), bump[:1].expand_as(old)),
    "patch": lambda s, site, old, bump: (sonde.Patch(site, s.other), s.other[site]),
    "add": lambda s, site, old, bump: (sonde.Add(site, bump), old + bump),
    "scale": lambda s, site, old, bump: (sonde.Scale(site, bump), old * bump),
    "apply": lambda s, site, old, bump: (sonde.Apply(site, lambda now: 2 * now + bump), 2 * old + bump),
    "swap": swap,
    "project": project,
    "clamp": clamp,
    "noise": noise,
    "by row": by_row,
    "detach": lambda s, site, old, bump: (sonde.Detach(site), old),
    "rule": lambda s, site, old, bump: (sonde.GradRule(site, lambda gradient: 3 * gradient), old),
}
IDENTITIES: dict[str, Callable[[sonde.Site, Run], sonde.access.Edit]] = {
    "set": lambda site, base: sonde.Set(site, base[site]),
    "patch": lambda site, base: sonde.Patch(site, base),
    "add": lambda site, base: sonde.Add(site, 0.0),
    "scale": lambda site, base: sonde.Scale(site, 1.0),
    "apply": lambda site, base: sonde.Apply(site, torch.clone),
    "swap": lambda site, base: sonde.Swap(site, base, turned(base[site].shape[-1])),
    "by row": lambda site, base: sonde.PerRow([None, None]),
}
COORDINATES, BACKWARD = ("swap", "project", "clamp"), ("detach", "rule")
