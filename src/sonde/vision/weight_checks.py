"""Do a unit's partners do what its weights say? They are taken away on pictures, and the composed weights are held against slopes.

Without those that excite it most the unit must fall, without those that inhibit it most it must rise, further than without as many other channels of
the same layer. Composed weights take rectifiers as the identity: where the unit fires most, its true slope, averaged over pictures, tells how far
that holds, beside the same weights in random order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model, Run, Zero
from sonde.access.forward import forward, gradients
from sonde.access.sites import Site
from sonde.access.writes import Write
from sonde.evidence import compare, random_sets, untestable
from sonde.results import InputError, Verdict, shown
from sonde.vision.examples import source_of
from sonde.vision.feeding import precision
from sonde.vision.files import differing, told
from sonde.vision.layers import as_maps
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.reading import layout_of

if TYPE_CHECKING:
    import numpy as np

    from sonde.vision.weight_results import UnitWeights

MOST_UNITS = 4
TOP = 16  # pictures on which slopes are taken
ZERO = {"threshold": 0.0, "threshold_source": "above zero"}


def checked(
    found: "UnitWeights", model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", units: Sequence[int] | None,
    k: int, draws: int, seed: int, batch_size: int, normalise: Normalisation | str | None,
) -> list[Verdict]:  # fmt: skip
    """The verdicts on each unit, each by itself.

    Arguments:
        found: the weights.
        model, pictures, units, k, draws, seed, batch_size, normalise: as for `UnitWeights.check`.
    """
    for name, value, least in (("k", k, 1), ("draws", draws, 2), ("batch_size", batch_size, 1)):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name}={shown(value)}: give a number of {least} or more")
    means = found.normalise if normalise is None and found.normalise is not None else normalisation(model, normalise)
    views = means(_read(model, pictures, found.size)).to(precision(model))
    axes = model.run(views[:1], read=[found.source, found.site]).axes(found.source)  # the whole forward: both layers are called once
    views = views.contiguous(memory_format=layout_of(model, views[:1], [found.site]))
    asked = Asked(found, model, views, next((one for one in axes if one in ("channel", "feature")), axes[-1]), batch_size)
    chosen = found.units[:MOST_UNITS] if units is None else list(units)
    intact = asked.means(chosen)
    verdicts = []
    for place, unit in enumerate(chosen):
        verdicts += [_removed(asked, unit, sign, intact[:, place], k, draws, seed) for sign in (1, -1)]
        if found.passed:
            verdicts.append(_sloped(asked, unit, draws, seed))
    return verdicts


@dataclass(frozen=True, eq=False)
class Asked:
    """A network that is shown pictures, with channels of a source taken away.

    Arguments:
        found: the weights that are tested.
        model: the network.
        views: the pictures as it takes them.
        axis: the name of the axis of the source's channels.
        batch_size: pictures at once.
    """

    found: "UnitWeights"
    model: Model
    views: Tensor
    axis: str
    batch_size: int

    def means(self, units: Sequence[int], without: Sequence[int] = ()) -> Float[Tensor, "picture unit"]:
        """Some units' means over places, with some channels of the source at zero."""
        parts = [self.maps(some, self.found.site, without)[:, list(units)].flatten(2).mean(2) for some in self.views.split(self.batch_size)]
        return torch.cat(parts)

    def maps(self, views: Tensor, site: str, without: Sequence[int] = ()) -> Float[Tensor, "picture unit row col"]:
        """A site's maps of some pictures; the forward ends there."""
        writes = []
        if without:
            where = Site.parse(self.found.source).at(**{self.axis: list(without)})
            writes = [Write(Site(self.model.locate(where.name).name, where.select), Zero(where))]
        run = forward(self.model, self.model.prepare(views), [Site.parse(site)], writes, logits=False, stop=True)
        return self.of(run, site).float().cpu()

    def of(self, run: Run, site: str) -> Float[Tensor, "picture unit row col"]:
        """A site's maps of a run."""
        maps = as_maps(self.model, site, run[site], ("batch", *run.axes(site)[1:]), (self.views.shape[2], self.views.shape[3]))
        return maps if maps.ndim == 4 else maps[..., None, None]

    def slopes(self, unit: int, top: int = TOP) -> Float[Tensor, "picture channel row col"]:
        """A unit's true slope with respect to the source's maps, at its largest place on the pictures on which it is largest.

        Places whose filters reach over the border are left out, where there are others: beyond it there is no slope.
        """
        found, largest, places = self.found, [], []
        source = self.maps(self.views[:1], found.source).shape[2:]
        for some in self.views.split(self.batch_size):
            maps = self.maps(some, found.site)[:, unit]
            maps = maps.masked_fill(~_inside(found, (maps.shape[1], maps.shape[2]), (source[0], source[1])), -torch.inf)
            largest.append(maps.flatten(1).amax(1))
            places.append(maps.flatten(1).argmax(1))
        order = torch.cat(largest).argsort(descending=True, stable=True)[:top]
        at, cols = torch.cat(places)[order], maps.shape[-1]
        parts = []
        for some, there in zip(self.views[order].split(self.batch_size), at.split(self.batch_size), strict=True):

            def of(run: Run, there: Tensor = there) -> Tensor:
                return self.of(run, found.site)[:, unit].flatten(1).gather(1, there[:, None].to(run[found.site].device))[:, 0]

            grads = gradients(self.model, self.model.prepare(some), of, [Site.parse(found.source)], [], [Site.parse(found.site)])
            axes, size = ("batch", *grads.axes(found.source)[1:]), (self.views.shape[2], self.views.shape[3])
            slopes = as_maps(self.model, found.source, grads[found.source], axes, size)
            slopes = slopes if slopes.ndim == 4 else slopes[..., None, None]
            parts += [found.patch(one.cpu(), int(place) // cols, int(place) % cols) for one, place in zip(slopes, there, strict=True)]
        return torch.stack(parts)


def _removed(asked: Asked, unit: int, sign: int, intact: Float[Tensor, " picture"], k: int, draws: int, seed: int) -> Verdict:
    """The verdict on one side of a unit's partners."""
    found = asked.found
    partners = [one.number for one in found.incoming(unit, k, sign)]
    does, moves = ("excite", "falls") if sign > 0 else ("inhibit", "rises")
    most = f"The {len(partners)} channels of {found.source} that {does} {found.name(unit)} most"
    claim = f"{most} do so: without them it {moves} further than without others."
    measure = "fall of the mean activation" if sign > 0 else "rise of the mean activation"
    others = [i for i in range(len(found.labels)) if i not in partners]
    if not partners:
        claim = f"Some channels of {found.source} {does} {found.name(unit)}."
        why = f"none of its weights {does}s it" if not found.count else f"no active channel {does}s it"
        return untestable(claim, measure, why, **ZERO)  # type: ignore[arg-type]
    if len(others) < len(partners) + 1:
        return untestable(claim, measure, f"there are {len(others)} other channels, too few to draw {len(partners)} from", **ZERO)  # type: ignore[arg-type]

    def change(channels: Sequence[int]) -> Float[Tensor, " picture"]:
        return sign * (intact - asked.means([unit], channels)[:, 0])

    control = torch.stack([change(one) for one in random_sets(others, len(partners), draws, seed)])
    return compare(claim, measure, change(partners), control, exceeding="draw", **ZERO)  # type: ignore[arg-type]


def _sloped(asked: Asked, unit: int, draws: int, seed: int) -> Verdict:
    """The verdict on the linear map: what the slope is where the unit fires most."""
    found = asked.found
    claim = (
        f"The composed weights of {found.name(unit)} on {found.source} say which way it slopes where it fires most: the same in random order do not."
    )
    measure = "correlation of weights and slope"
    if found.stride is None:
        return untestable(claim, measure, "the filters change from place to place, and it fires at many", **ZERO)  # type: ignore[arg-type]
    weight = found.weight[found.units.index(unit)].flatten().float()
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.stack([weight[torch.randperm(len(weight), generator=generator)] for _ in range(draws)])
    slopes = asked.slopes(unit).flatten(1).float()
    kept = slopes.std(1) > 0
    if not bool(kept.any()) or not float(weight.std()) > 0:
        return untestable(claim, measure, "its slope is zero wherever it fires most", **ZERO)  # type: ignore[arg-type]
    measured, control = _correlated(weight[None], slopes[kept])[0], _correlated(mixed, slopes[kept])
    return compare(claim, measure, measured, control, exceeding="draw", **ZERO)  # type: ignore[arg-type]


def _inside(found: "UnitWeights", places: tuple[int, int], source: tuple[int, int]) -> Bool[Tensor, "row col"]:
    """The places whose filters lie within the source's maps; all where there are none."""
    within = []
    for axis in (0, 1):
        step = 0 if found.stride is None else found.stride[axis]
        start = found.corner[axis] + step * (torch.arange(places[axis]) - found.middle[axis])
        within.append((start >= 0) & (start + found.weight.shape[2 + axis] <= source[axis]))
    inside = within[0][:, None] & within[1][None]
    return inside if bool(inside.any()) else torch.ones_like(inside)


def _read(
    model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", size: int | tuple[int, int] | None
) -> Float[Tensor, "picture channel row col"]:  # fmt: skip
    source = source_of(model, pictures, size)
    read = [one for _, one in source.read(range(source.count))]
    if not read:
        raise InputError(f"none of the {source.count} files is a picture that can be read; the first: {told(dict(list(source.broken.items())[:1]))}")
    sizes = list(dict.fromkeys(tuple(one.shape[1:]) for one in read))
    if len(sizes) > 1:
        raise differing(*sizes[:2])
    return torch.stack(read)


def _correlated(one: Float[Tensor, "draw weight"], other: Float[Tensor, "picture weight"]) -> Float[Tensor, "draw picture"]:
    a, b = (each - each.mean(1, keepdim=True) for each in (one.double(), other.double()))
    return (a @ b.T) / (a.norm(dim=1)[:, None] * b.norm(dim=1)[None])
