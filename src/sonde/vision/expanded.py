"""By which weights does a unit see a layer before it, with everything between composed? One filter per channel of that layer.

    W[u, v, dy, dx] = d u(p) / d v(s p + dy, ...)

on the network as a linear map (`linear.py`): the composition of all convolutions, batch norms, pools, residual sums and concatenations on the way,
found by differentiating the model's own forward rather than by composing again what it does (Cammarata et al. 2020, "Visualizing Weights").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Run
from sonde.access.edits import Set
from sonde.access.forward import differentiable
from sonde.access.sites import Site
from sonde.access.writes import Write
from sonde.jobs import Pieces, track
from sonde.results import InputError, SiteUnavailable, content_hash
from sonde.vision.feeding import blank
from sonde.vision.layers import as_maps
from sonde.vision.linear import Linear

Place = tuple[int, int]
BATCH = 16


@dataclass(frozen=True, eq=False)
class Expanded:
    """The weights between two layers, with everything between composed.

    Arguments:
        weight: of every unit on every channel of the source, over the places that reach it.
        bias: what a unit is where the source is zero throughout.
        corner: at the middle place, the source's row and column where the filters begin.
        middle: that place: row and column on the unit's map.
        stride: how far the filters move on the source's maps from place to place; `None` where they are not the same at the next place.
        passed: what was taken as linear and is not.
    """

    weight: Float[Tensor, "unit channel row col"]
    bias: Float[Tensor, " unit"]
    corner: Place
    middle: Place
    stride: Place | None
    passed: tuple[str, ...]


def expanded(
    model: Model, target: str, source: str, units: Sequence[int], size: int | tuple[int, int] | None = None, batch_size: int = BATCH,
    folder: str | Path | None = None, progress: bool = False,
) -> Expanded:  # fmt: skip
    """The weights of some units on the channels of an earlier layer.

    Arguments:
        model: a network of pictures.
        target, source: the sites.
        units: of the target.
        size: of the picture on which the network runs; it matters for borders alone.
        batch_size: units at once.
        folder: keep finished batches there; a search that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: nothing of the source reaches the target. SiteUnavailable: something on the way is no linear map.
    """
    shapes = _shapes(model, target, source, size)
    (_, rows, cols), _ = shapes
    middle = (max(rows - 1, 0) // 2, max(cols - 1, 0) // 2)
    pieces = Pieces(folder, content_hash([model.hash, target, source, list(units), str(size), batch_size]))
    parts = []
    for start in track(range(0, len(units), batch_size), "composing weights", shown=progress):
        some = [(unit, middle) for unit in units[start : start + batch_size]]
        parts.append(pieces(f"units from {start}", partial(_slopes, model, target, source, some, size)))
    slopes, bias = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    passed = tuple(dict.fromkeys(words for part in parts for words in part[2]))
    corner, ends = _box(slopes)
    weight = slopes[:, :, corner[0] : ends[0], corner[1] : ends[1]]
    stride = _stride(model, target, source, units[0], slopes[0], middle, (rows, cols), size)
    return Expanded(weight.clone(), bias, corner, middle, stride, passed)


def _slopes(
    model: Model, target: str, source: str, asked: Sequence[tuple[int, Place]], size: int | tuple[int, int] | None
) -> tuple[Float[Tensor, "unit channel row col"], Float[Tensor, " unit"], list[str]]:
    """The derivative of units at places with respect to the whole of a layer, what they are where that is zero, and what was taken as linear."""
    n, refused = len(asked), []
    picture = blank(model, size).expand(n, -1, -1, -1)
    shown = (picture.shape[2], picture.shape[3])
    before = model.run(picture[:1], read=[source], logits=False)
    axes = ("batch", *before.axes(source)[1:])
    leaf = torch.zeros_like(before[source]).expand(n, *[-1] * (before[source].ndim - 1)).contiguous().requires_grad_()

    def of(run: Run) -> Float[Tensor, " unit"]:
        maps = as_maps(model, target, run[target], ("batch", *run.axes(target)[1:]), shown)
        picked = [maps[i, unit] if maps.ndim == 2 else maps[i, unit, row, col] for i, (unit, (row, col)) in enumerate(asked)]
        refused.extend(linear.refused(maps))
        return torch.stack(picked)

    write = Write(Site(model.locate(source).name), Set(source, leaf * 1))  # a variable itself can't be overwritten in place, as a rectifier may do
    with Linear() as linear:
        value = differentiable(model, model.prepare(picture), [write], of, [Site.parse(target)], False, stop=True)
    if not value.requires_grad:
        raise InputError(f"nothing of {source} reaches {target}: name a source that comes before it")
    if refused:
        what = ", ".join(dict.fromkeys(refused))
        raise SiteUnavailable(f"between {source} and {target} the network computes what no weights say ({what}): name a source that is nearer")
    (slopes,) = torch.autograd.grad(value.sum(), [leaf])
    maps = as_maps(model, source, slopes, axes, shown)
    return (maps if maps.ndim == 4 else maps[..., None, None]).cpu(), value.detach().cpu(), list(linear.passed)


def _shapes(model: Model, target: str, source: str, size: int | tuple[int, int] | None) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """How many channels, rows and columns both layers have; 0 rows and columns of a layer without places."""
    picture = blank(model, size)
    run = model.run(picture, read=[target, source], logits=False)
    found = []
    for site in (target, source):
        maps = as_maps(model, site, run[site], ("batch", *run.axes(site)[1:]), (picture.shape[2], picture.shape[3]))
        found.append((maps.shape[1], *(maps.shape[2:] or (0, 0))))
    return found[0], found[1]


def counted(model: Model, target: str, source: str, size: int | tuple[int, int] | None = None) -> tuple[int, int]:
    """How many units and channels two layers have.

    Arguments:
        model, target, source, size: as for `expanded`.
    """
    (units, _, _), (channels, _, _) = _shapes(model, target, source, size)
    return units, channels


def _box(slopes: Float[Tensor, "unit channel row col"]) -> tuple[Place, Place]:
    """The first row and column that are not zero throughout, and those after the last; of nothing the whole."""
    there = (slopes != 0).any(0).any(0)
    rows, cols = there.any(1).nonzero()[:, 0], there.any(0).nonzero()[:, 0]
    if not len(rows):
        return (0, 0), (slopes.shape[2], slopes.shape[3])
    return (int(rows[0]), int(cols[0])), (int(rows[-1]) + 1, int(cols[-1]) + 1)


def _stride(
    model: Model, target: str, source: str, unit: int, slopes: Float[Tensor, "channel row col"], middle: Place, places: Place,
    size: int | tuple[int, int] | None,
) -> Place | None:  # fmt: skip
    """How far the filters move from the middle to the next place along both axes; `None` where they change on the way."""
    nexts = [(middle[0] + 1, middle[1]), (middle[0], middle[1] + 1)]
    if any(row >= max(places[0], 1) or col >= max(places[1], 1) for row, col in nexts):
        return None
    others = _slopes(model, target, source, [(unit, place) for place in nexts], size)[0]
    (corner, ends), found = _box(slopes[None]), []
    for axis, other in enumerate(others):
        start, stop = _box(other[None])
        cut, moved = (one[:, a[0] : b[0], a[1] : b[1]] for one, a, b in ((slopes, corner, ends), (other, start, stop)))
        if (
            cut.shape != moved.shape
            or start[1 - axis] != corner[1 - axis]
            or not torch.allclose(cut, moved, rtol=1e-4, atol=1e-6 * float(cut.abs().max()))
        ):
            return None
        found.append(start[axis] - corner[axis])
    return found[0], found[1]
