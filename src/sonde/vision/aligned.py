"""What do layers of several networks answer at the same places of the same pictures? Rows (picture, place) of units, one table for each layer.

Networks cut pictures to different sizes and layers have maps of different sizes, so a place is named by where its receptive field is centred, as a
share of the picture:

    y(j) = (start + stride j + (size - 1) / 2 + 1 / 2) / rows

by the law of `sonde.vision.fields` (where all of the picture reaches a place, places stand evenly). The layer with the fewest places sets the grid;
all others are read at its places by bilinear interpolation. Without this, edges of a few pixels would be compared at places that lie apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.sites import Site
from sonde.jobs import Pieces, rows_within, track
from sonde.results import InputError, content_hash, shown
from sonde.vision.fields import Axis, Field, receptive_field
from sonde.vision.files import Pictures, differing, pictures_of, told
from sonde.vision.layers import as_maps, fitting, refuse_others, site_of, view_of
from sonde.vision.normalisation import Normalisation, normalisation

if TYPE_CHECKING:
    import numpy as np

ROUNDING = 1e-4  # of a place: what lies nearer to one is on it


@dataclass(eq=False)
class Side:
    """A network, the layers that are read of it, and how it sees pictures.

    Arguments:
        model: the network.
        layers: their names as given.
        sites: where they are.
        means: from pictures of 0 to 1 to what it takes.
        source: the pictures, brought to its size.
        fields: of its layers, as an earlier pass found them, or once the first pictures were seen.
        like: the side whose receptive fields it has, where it is a copy with other weights.
    """

    model: Model
    layers: list[str]
    sites: list[str]
    means: Normalisation
    source: Pictures
    fields: list[Field] = field(default_factory=list)
    like: "Side | None" = None


@dataclass(frozen=True, eq=False)
class Rows:
    """What layers answered at the same places.

    Arguments:
        values: of each side, of each of its layers.
        numbers: of the pictures that all sides could read.
        grid: rows and columns of the places; (0, 0) of layers without places.
        places: how many of them were kept.
        digest: of the pictures.
        notes: what was decided or found on the way.
    """

    values: list[list[Float[Tensor, "picture place _"]]]
    numbers: Int[Tensor, " picture"]
    grid: tuple[int, int]
    places: int
    digest: str
    notes: tuple[str, ...]


def side(
    model: Model, layers: Sequence[str] | str, pictures: "Tensor | np.ndarray | str | Path", normalise: Normalisation | str | None,
    size: int | tuple[int, int] | None,
) -> Side:  # fmt: skip
    """One network of a comparison.

    Arguments:
        model: a network of pictures.
        layers: modules' paths or sites, each once.
        pictures: as `dataset_examples` takes them.
        normalise: as for `dataset_examples`.
        size: to which files are brought; by default the size that the network takes where it takes one only.

    Raises:
        InputError: no layers, no pictures, no normalisation was stated.
        UnknownSite: no such layer.
    """
    refuse_others(model)
    names = [layers] if isinstance(layers, str) else list(layers)
    if not names or len(set(names)) < len(names):
        raise InputError(f"layers={shown(layers)}: name some, each once")
    sites = [site_of(model, layer) for layer in names]
    for site in sites:
        model.locate(Site.parse(site).name)
    is_folder = isinstance(pictures, str | Path) and Path(pictures).is_dir()
    source = pictures_of(pictures, fitting(model)[1], view_of(model) if size is None and is_folder else size)
    return Side(model, names, sites, normalisation(model, normalise), source)


def copy_of(one: Side, model: Model) -> Side:
    """A side for a copy of its network with other weights, which sees the same pictures.

    Arguments:
        one: the side.
        model: the copy.
    """
    return replace(one, model=model, fields=[], like=one)


def rows(
    sides: Sequence[Side], samples: int, least: int, seed: int = 0, batch_size: int = 32, folder: str | Path | None = None, progress: bool = False
) -> Rows:  # fmt: skip
    """Read the layers of all sides at the same places of the same pictures, in one pass.

    Arguments:
        sides: the networks.
        samples: rows at most; of each picture as many places are kept as this allows, at least one, and the same ones in all.
        least: pictures.
        seed: of the places.
        batch_size: pictures at once.
        folder: keep finished batches there; a pass that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: fewer pictures, pictures of different sizes, layers with places beside layers without, answers that are not finite.
    """
    for name, value in (("samples", samples), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={shown(value)}: give a number of 1 or more")
    count = sides[0].source.count
    if count < least:
        raise InputError(f"{count} pictures say too little about what two layers share: give at least {least}")
    key = [samples, seed, batch_size, *([one.model.hash, one.sites, str(one.means), one.source.key()] for one in sides)]
    pieces = Pieces(folder, content_hash(key))
    laid: tuple[tuple[int, int], Tensor | None] | None = None
    parts = []
    for start in track(range(0, count, batch_size), "looking at pictures", shown=progress):
        numbers = range(start, min(start + batch_size, count))
        if laid is None and (first := _first(sides, numbers)) is not None:
            laid = _laid(sides, first, pieces, samples // count, seed)
        parts.append(_Part(*pieces(f"batch {start}", partial(_read, sides, numbers, None if laid is None else laid[1], samples))))
        for one, broken in zip(sides, parts[-1].broken, strict=True):
            one.source.broken |= broken
    kept = torch.cat([part.numbers for part in parts])
    if len(kept) < least:
        broken = _broken(sides)
        words = f"; {len(broken)} can't be read, the first: {told(dict(list(broken.items())[:1]))}" if broken else ""
        raise InputError(f"{len(kept)} of {count} pictures say too little about what two layers share: give at least {least}{words}")
    sizes = list(dict.fromkeys(part.sizes for part in parts if part.sizes))
    if len(sizes) > 1:
        raise differing(*next((a, b) for a, b in zip(*sizes[:2], strict=True) if a != b))
    full = [part for part in parts if len(part.numbers)]
    values = [[torch.cat([part.values[i][j] for part in full]) for j in range(len(one.layers))] for i, one in enumerate(sides)]
    grid = (0, 0) if laid is None else laid[0]
    return Rows(values, kept, grid, values[0][0].shape[1], content_hash([part.digest for part in parts]), _notes(sides, count, len(kept)))


def shuffled_within(block: Int[Tensor, " picture"] | Bool[Tensor, " picture"], generator: torch.Generator) -> Int[Tensor, " picture"]:
    """A random order of the pictures in which each stays in its block.

    Arguments:
        block: of each picture, such as the half in which it lies.
        generator: of the order.

    >>> shuffled_within(torch.tensor([0, 0, 1, 2, 2]), torch.Generator().manual_seed(0)).tolist()
    [0, 1, 2, 4, 3]
    """
    order = torch.arange(len(block))
    for one in block.unique():
        numbers = (block == one).nonzero()[:, 0]
        order[numbers] = numbers[torch.randperm(len(numbers), generator=generator)]
    return order


@dataclass(frozen=True, eq=False)
class _Part:
    """What is kept of a batch of pictures: numbers, values of each side's layers, each side's size, a digest, and each side's broken files."""

    numbers: Tensor
    values: list[list[Tensor]]
    sizes: tuple[tuple[int, ...], ...]
    digest: str
    broken: list[dict[str, str]]


def _together(sides: Sequence[Side], numbers: range) -> tuple[list[int], list[Tensor]]:
    """The pictures that all sides can read, as each of them takes them before normalisation."""
    sources = {id(one.source): one.source for one in sides}
    each = {key: dict(source.read(numbers)) for key, source in sources.items()}
    read = [each[id(one.source)] for one in sides]
    both = [number for number in numbers if all(number in one for one in read)]
    stacks: dict[int, Tensor] = {}
    for key, one in each.items():
        sizes = list(dict.fromkeys(tuple(one[number].shape[1:]) for number in both))
        if len(sizes) > 1:
            raise differing(*sizes[:2])
        stacks[key] = torch.stack([one[number] for number in both]) if both else torch.zeros(0)
    return both, [stacks[id(one.source)] for one in sides]


def _first(sides: Sequence[Side], numbers: range) -> list[Tensor] | None:
    """The first picture that all sides can read."""
    for number in numbers:
        both, stacks = _together(sides, range(number, number + 1))
        if both:
            return stacks
    return None


def _maps(one: Side, pictures: Float[Tensor, "picture channel row col"]) -> list[Float[Tensor, "picture unit *place"]]:
    """The maps of a side's layers, by one forward."""
    run = one.model.run(one.means(pictures), read=list(dict.fromkeys(one.sites)), logits=False)
    size = (pictures.shape[2], pictures.shape[3])
    found = [as_maps(one.model, site, run[site], ("batch", *run.axes(site)[1:]), size).detach().float().cpu() for site in one.sites]
    for layer, maps in zip(one.layers, found, strict=True):
        if maps.ndim not in (2, 4):
            raise InputError(f"{layer!r} of {one.model.name} has neither units nor maps of units: name a convolution, or a layer of units")
        if not bool(maps.isfinite().all()):
            raise InputError(f"{layer!r} of {one.model.name} gives numbers that are not finite on these pictures: the normalisation may be wrong")
    return found


def _laid(
    sides: Sequence[Side], first: Sequence[Tensor], pieces: Pieces, each: int, seed: int
) -> tuple[tuple[int, int], Float[Tensor, "place two"] | None]:  # fmt: skip
    """The grid of the layer with the fewest places, and those of its places that are kept, as shares of the picture."""
    shapes = []
    for one, picture in zip(sides, first, strict=True):
        shapes += [(one, layer, tuple(maps.shape[2:])) for layer, maps in zip(one.layers, _maps(one, picture), strict=True)]
    with_places, without = ([f"{layer} of {one.model.name}" for one, layer, shape in shapes if bool(shape) is has] for has in (True, False))
    if with_places and without:
        raise InputError(f"{with_places[0]} has places and {without[0]} has none: compare layers with places, or layers without")
    for i, (one, picture) in enumerate(zip(sides, first, strict=True)):
        if one.like is not None:
            one.fields = one.like.fields
            continue
        size, channels = (picture.shape[2], picture.shape[3]), picture.shape[1]
        if one.fields and all(law.picture == size for law in one.fields):
            continue  # known from an earlier pass
        one.fields = [
            pieces(f"field {i} {j}", partial(receptive_field, one.model, site, channels, size)) if with_places else Field(size, (0, 0), None, None)
            for j, site in enumerate(one.sites)
        ]
    if not with_places:
        return (0, 0), None
    coarsest = min((law for one in sides for law in one.fields), key=lambda law: law.places[0] * law.places[1])
    down, across = (_centres(axis, torch.arange(places).double(), pixels) for axis, places, pixels in _axes(coarsest))
    all_of_them = torch.cartesian_prod(down, across)
    order = torch.randperm(len(all_of_them), generator=torch.Generator().manual_seed(seed))
    return coarsest.places, all_of_them[order[: max(1, each)].sort().values]


def _axes(law: Field) -> Iterable[tuple[Axis, int, int]]:
    """Along rows and columns the law, the places and the pixels; where all of the picture reaches a place, places stand evenly."""
    for axis, places, pixels in zip((law.rows, law.cols), law.places, law.picture, strict=True):
        yield (0, pixels / places, pixels / places) if axis is None else axis, places, pixels  # type: ignore[misc]


def _centres(axis: Axis, place: Float[Tensor, " place"], pixels: int) -> Float[Tensor, " place"]:
    """Where the receptive fields of places are centred, as shares of the picture."""
    start, stride, size = axis
    return (start + stride * place + size / 2) / pixels


def _nearest(axis: Axis, at: Float[Tensor, " place"], places: int, pixels: int) -> Float[Tensor, " place"]:
    """The way back: the place, or what lies between two, whose receptive field is centred there; at the border the last one."""
    start, stride, size = axis
    place = ((at * pixels - start - size / 2) / stride).clamp(0, places - 1)
    return torch.where((place - place.round()).abs() < ROUNDING, place.round(), place)


def _at(maps: Float[Tensor, "picture unit row col"], law: Field, points: Float[Tensor, "place two"]) -> Float[Tensor, "picture place unit"]:
    """Maps read between their places."""
    down, across = (_nearest(axis, at, places, pixels) for (axis, places, pixels), at in zip(_axes(law), points.T, strict=True))
    row, col = down.long(), across.long()
    below, beside = (row + 1).clamp(max=law.places[0] - 1), (col + 1).clamp(max=law.places[1] - 1)
    down, across = (one.frac().float() for one in (down, across))
    above = maps[:, :, row, col] * (1 - across) + maps[:, :, row, beside] * across
    under = maps[:, :, below, col] * (1 - across) + maps[:, :, below, beside] * across
    return (above * (1 - down) + under * down).transpose(1, 2)


def _read(sides: Sequence[Side], numbers: range, points: Tensor | None, samples: int) -> tuple[Any, ...]:
    """What `_Part` holds of some pictures."""
    before = [set(one.source.broken) for one in sides]
    both, stacks = _together(sides, numbers)
    broken = [{name: why for name, why in one.source.broken.items() if name not in had} for one, had in zip(sides, before, strict=True)]
    if not both:
        return torch.zeros(0, dtype=torch.int64), [], (), "", broken
    values = []
    for one, pictures in zip(sides, stacks, strict=True):
        read = []
        for layer, law, maps in zip(one.layers, one.fields, _maps(one, pictures), strict=True):
            if tuple(maps.shape[2:]) != (law.places if points is not None else ()):
                raise InputError(f"the maps of {layer!r} differ in size from picture to picture: say to which size they are brought with size=")
            read.append(maps[:, None] if points is None else _at(maps, law, points))
        values.append(read)
    units = sum(one.shape[2] for read in values for one in read)
    if rows_within(16 * units) < min(samples, sides[0].source.count * values[0][0].shape[1]):
        raise InputError(
            f"{samples} samples of {units} units of {len(sides)} networks take {16 * units * samples / 2**30:.1f} GiB: ask for fewer with samples=, "
            "for fewer layers, or fewer draws of a check"
        )
    sizes = tuple(tuple(one.shape[2:]) for one in stacks)
    digest = content_hash(list({id(one): one for one in stacks}.values()))
    return torch.tensor(both), values, sizes, digest, broken


def _broken(sides: Sequence[Side]) -> dict[str, str]:
    return {name: why for one in reversed(sides) for name, why in one.source.broken.items()}


def _notes(sides: Sequence[Side], count: int, kept: int) -> tuple[str, ...]:
    notes = []
    if broken := _broken(sides):
        notes.append(f"{count - kept} of {count} files were left out: {told(broken)}")
    sizes = list(dict.fromkeys(one.source.size for one in sides if one.source.size is not None))
    if sizes:
        words = " and to ".join(f"{rows} x {cols} pixels" for rows, cols in sizes)
        notes.append(f"files were brought to {words}: the shorter side is scaled, the middle is cut")
    return tuple(notes)
