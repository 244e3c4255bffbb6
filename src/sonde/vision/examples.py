"""When does a unit fire on real pictures, over its whole range? One pass over many: the most, the least, random ones at every level, and silent ones.

Each picture counts by the unit's largest value over its map, and where it stands (Borowski et al. 2021; the levels as in Cammarata et al. 2020,
"Curve Detectors": pictures drawn at random from intervals of equal width). The largest alone make units look as if they meant one thing; the levels
say what they do the rest of the time. Pictures are cut to the unit's receptive field. Memory grows with units and levels, not with pictures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from sonde.access import Model
from sonde.access.sites import Site
from sonde.jobs import Pieces, rows_within, track
from sonde.results import InputError, Recipe, content_hash, shown
from sonde.vision.example_results import DatasetExamples, Drawn
from sonde.vision.fields import Box, receptive_field
from sonde.vision.files import Pictures, differing, pictures_of, told
from sonde.vision.layers import fitting, refuse_others, site_of, view_of
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.reading import Reader
from sonde.vision.streams import NOBODY, Largest, Levels

if TYPE_CHECKING:
    import numpy as np

PICTURED = 4  # units of which pictures are kept, where none are named
PIXELS = 64  # of a side of a kept picture
FINER = 6  # bins for a level, at least


def dataset_examples(
    model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", layer: str, units: Sequence[int] | None = None, *,
    normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, top: int = 20, levels: int = 10, per_level: int = 5,
    labels: Sequence[object] | Mapping[str, object] | str | None = None, pictured: Sequence[int] | None = None, seed: int = 0,
    batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
) -> DatasetExamples:  # fmt: skip
    """Find the pictures that excite the units of a layer most and least, and random ones at every level between, in one pass.

    Arguments:
        model: a network of pictures.
        pictures: from 0 to 1, as a tensor, an array (.npy), or a folder of files with any subfolders; grey files are repeated for each channel, and
            broken ones are named and left out.
        layer: a module's path or a site.
        units: of the layer; all of them by default.
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        size: to which files are brought: the shorter side is scaled, the middle is cut. By default the size that the network takes where it takes one
            only, else none: files of different sizes are refused.
        top: how many of the largest and of the smallest values.
        levels: intervals of equal width over the unit's range.
        per_level: random pictures of each, and of those on which the unit is exactly zero.
        labels: one for each picture; of a folder by file name, or "folders": each file's label is the folder in which it lies.
        pictured: the units of which pictures are kept for the drawing; the first four by default.
        seed: of the random pictures.
        batch_size: pictures at once.
        folder: keep finished batches there; a search that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: no pictures, none that can be read, or of different sizes; no such unit; labels that do not fit; no normalisation was stated.
        UnknownSite: no such layer.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> found = dataset_examples(sonde.load("specimen:digits"), held_out()[0][:64], "blocks.0.act", [3], normalise="none", top=2)
    >>> bool(found.most.value[0, 0] >= found.most.value[0, 1]), found.field.box(3, 3)
    (True, (2, 2, 5, 5))
    """
    refuse_others(model)
    for name, value, least in (("top", top, 1), ("levels", levels, 1), ("per_level", per_level, 1), ("batch_size", batch_size, 1)):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name}={shown(value)}: give a number of {least} or more")
    means, site = normalisation(model, normalise), site_of(model, layer)
    model.locate(Site.parse(site).name)
    source = source_of(model, pictures, size)
    classes, of = _labels(source, labels)
    reader = Reader(model, site)
    order = torch.randperm(source.count, generator=torch.Generator().manual_seed(seed))
    pieces = Pieces(folder, content_hash([model.hash, site, str(means), source.key(), batch_size]))
    half = 2 ** math.ceil(math.log2(max(2, FINER * levels)))
    chosen: list[int] = []
    digests, count, seen, streams = [], 0, None, None
    for start in track(range(0, source.count, batch_size), "looking at pictures", shown=progress):
        numbers = range(start, min(start + batch_size, source.count))
        some = Passed(*pieces(f"batch {start}", partial(_passed, reader, source, means, numbers)))
        source.broken |= some.broken
        digests.append(some.digest)
        if not some.size:
            continue
        if seen is None:
            seen = some
            chosen = _units(units, some.high.shape[1], layer)
            _afford(len(chosen), 2 * half + 1, per_level, len(classes))
            streams = Largest(len(chosen), top), Largest(len(chosen), top), Levels(len(chosen), half, per_level, len(classes))
        elif (some.size, some.places) != (seen.size, seen.places):
            raise differing(seen.size, some.size)
        largest, smallest, bins = streams  # type: ignore[misc]
        high, at = some.high[:, chosen], some.high_at[:, chosen]
        largest.update(high, at, some.numbers)
        smallest.update(-some.low[:, chosen], some.low_at[:, chosen], some.numbers)
        bins.update(high, at, order[some.numbers], of[some.numbers] if classes else None)
        count += len(some.numbers)
    if seen is None or streams is None:
        raise InputError(f"none of the {source.count} files is a picture that can be read; the first: {told(dict(list(source.broken.items())[:1]))}")
    largest, smallest, bins = streams
    there = (seen.places[0], seen.places[1]) if seen.places else (0, 0)
    shape_of = receptive_field(model, site, source.channels, (seen.size[0], seen.size[1]))
    smallest.value = -smallest.value
    edges, counts, at_level, by_label = _levels(bins, levels, order, there)
    silent = _drawn(bins.order[:, -1], bins.value[:, -1], bins.place[:, -1], order, there)
    shown_units = chosen[:PICTURED] if pictured is None else _units(pictured, max(chosen) + 1, layer, chosen)
    notes = _notes(source, count, chosen, shown_units, pictured is None, bins)
    arguments = {"layer": layer, "units": None if units is None else chosen, "normalise": str(means), "size": size, "top": top, "levels": levels}
    recipe = Recipe.of("sonde.vision.dataset_examples", arguments | {"per_level": per_level}, model_hash=model.hash,
                       inputs=[digests, classes, of], seed=seed)  # fmt: skip
    found = DatasetExamples(
        layer=layer, units=chosen, names=source.names, count=count, field=shape_of, normalise=means,
        most=_extreme(largest, there), least=_extreme(smallest, there), edges=edges, counts=counts, at_level=at_level, silent=silent,
        silences=bins.counts[:, -1], bins=bins.counts[:, :-1], width=bins.width.float(), labels=classes, label_of=of,
        by_label=by_label, broken=source.broken, crops={}, pictured=shown_units, notes=notes, recipe=recipe,
    )  # fmt: skip
    return replace(found, crops=_crops(found, source))


def source_of(model: Model, pictures: "Tensor | np.ndarray | str | Path", size: int | tuple[int, int] | None) -> Pictures:
    """Pictures for a network: files are brought to the size that was asked for, else to the one that it takes where it takes one only.

    Arguments:
        model: the network.
        pictures: a tensor, an array, or a folder.
        size: to which files are brought.
    """
    is_folder = isinstance(pictures, str | Path) and Path(pictures).is_dir()
    return pictures_of(pictures, fitting(model)[1], view_of(model) if size is None and is_folder else size)


@dataclass(frozen=True, eq=False)
class Passed:
    """What is kept of a batch of pictures.

    Arguments:
        numbers: of those that could be read.
        high, high_at: each unit's largest value over its map, and where it stands.
        low, low_at: the smallest.
        size, places: of the pictures and of the maps; the latter is empty for a layer without places.
        digest: of the pictures.
        broken: files that could not be read, with the reason.
    """

    numbers: Int[Tensor, " picture"]
    high: Float[Tensor, "picture unit"]
    high_at: Int[Tensor, "picture unit"]
    low: Float[Tensor, "picture unit"]
    low_at: Int[Tensor, "picture unit"]
    size: tuple[int, ...]
    places: tuple[int, ...]
    digest: str
    broken: dict[str, str]


def _passed(reader: Reader, source: Pictures, means: Normalisation, numbers: range) -> tuple[Any, ...]:
    """Show a batch of pictures; gives what `Passed` holds."""
    before = set(source.broken)
    read = source.stacked(numbers)
    broken = {name: why for name, why in source.broken.items() if name not in before}
    if read is None:
        none, nowhere = torch.zeros(0, 0), torch.zeros(0, 0, dtype=torch.int64)
        return nowhere.flatten(), none, nowhere, none, nowhere, (), (), "", broken
    which, pictures = read
    maps = reader(means(pictures))
    flat = maps.flatten(2) if maps.ndim == 4 else maps[..., None]
    (high, high_at), (low, low_at) = flat.max(2), flat.min(2)
    if not bool((high - low).isfinite().all()):
        raise InputError(f"{reader.site!r} gives numbers that are not finite on these pictures: the normalisation may be wrong")
    return torch.tensor(which), high, high_at, low, low_at, tuple(pictures.shape[2:]), tuple(maps.shape[2:]), content_hash(pictures), broken


def _labels(source: Pictures, given: Sequence[object] | Mapping[str, object] | str | None) -> tuple[list[str], Int[Tensor, " picture"]]:
    """The labels in order, and the number of each picture's."""
    if given is None:
        return [], torch.zeros(0, dtype=torch.int64)
    if isinstance(given, str | Mapping) and source.folder is None:
        raise InputError("labels by file name, or by folder, are for a folder of files: give one for each picture")
    if isinstance(given, str):
        if given != "folders":
            raise InputError(f"labels={given!r}: give 'folders', a mapping from file names, or one for each picture")
        each = [str(Path(name).parent) for name in source.names]
    elif isinstance(given, Mapping):
        if lacking := [name for name in source.names if name not in given]:
            raise InputError(
                f"{len(lacking)} of {source.count} files have no label, the first is {lacking[0]}: label it, or take it out of the folder"
            )
        each = [str(given[name]) for name in source.names]
    else:
        each = [str(one.item() if isinstance(one, Tensor) else one) for one in given]
    if len(each) != source.count:
        raise InputError(f"there are {len(each)} labels and {source.count} pictures: give one for each")
    classes = sorted(set(each))
    number = {name: i for i, name in enumerate(classes)}
    return classes, torch.tensor([number[one] for one in each])


def _units(given: Sequence[int] | None, count: int, layer: str, among: Sequence[int] | None = None) -> list[int]:
    units = list(range(count)) if given is None else list(given)
    for unit in units:
        if not isinstance(unit, int) or not 0 <= unit < count or (among is not None and unit not in among):
            raise InputError(
                f"there is no unit {shown(unit)} at {layer!r}: it has {count}" if among is None else f"pictured={shown(unit)}: not asked for"
            )
    if not units or len(set(units)) < len(units):
        raise InputError(f"units={shown(units)}: name some, each once")
    return units


def _afford(units: int, bins: int, keep: int, labels: int) -> None:
    """Refuse what memory can't hold, before the pass."""
    each = bins * (20 * keep + 8 + 4 * labels)
    if rows_within(each) < units:
        words = f", with {labels} labels" if labels else ""
        raise InputError(f"{units} units{words} take {units * each / 2**30:.1f} GiB: name fewer units, or ask for fewer levels or pictures of each")


def _levels(
    bins: Levels, levels: int, order: Int[Tensor, " picture"], places: tuple[int, int]
) -> tuple[Float[Tensor, "unit edge"], Int[Tensor, "unit level"], Drawn, Int[Tensor, "unit level label"]]:  # fmt: skip
    """Join the bins to levels of equal width: from zero, or from the smallest value where there are negative ones, to the largest."""
    counts, labels, half, keep = bins.counts[:, :-1], bins.labels[:, :-1].long(), bins.half, bins.order.shape[2]
    filled = counts > 0
    start = filled.int().argmax(1).clamp(max=half)
    wide = (2 * half - filled.flip(1).int().argmax(1) - start) * filled.any(1)  # bins from the start to the last that is filled
    step = (wide / levels).ceil().long().clamp(min=1)
    level = (torch.arange(2 * half) - start[:, None]) // step[:, None]
    level = level.masked_fill((level < 0) | (level >= levels), levels)  # one more level, which is left out, takes the empty bins beyond both ends

    def joined(held: Tensor) -> Tensor:
        at = level.view(*level.shape, *[1] * (held.ndim - 2)).expand_as(held)
        return torch.zeros(len(held), levels + 1, *held.shape[2:], dtype=torch.int64).scatter_add_(1, at, held)[:, :levels]

    number = torch.arange(levels + 1)
    edges = (start[:, None] + number * step[:, None] - half) * bins.width[:, None].float()
    edges = edges.masked_fill((wide[:, None] == 0) | (number * step[:, None] >= wide[:, None] + step[:, None]), torch.nan)

    # by level, and within a level by the random order: the first few of each are kept
    nearest, by = bins.order[:, :-1].flatten(1).sort(1)
    at, grouped = level[..., None].expand(-1, -1, keep).flatten(1).gather(1, by).sort(dim=1, stable=True)
    nearest, by = nearest.gather(1, grouped), by.gather(1, grouped)
    rank = torch.arange(at.shape[1]) - torch.searchsorted(at, at)
    slot = torch.where((rank < keep) & (at < levels), at * keep + rank, levels * keep)

    def kept(values: Tensor, empty: float) -> Tensor:
        made = torch.full((len(values), levels * keep + 1), empty, dtype=values.dtype)
        return made.scatter_(1, slot, values)[:, :-1].unflatten(1, (levels, keep))

    value, place = (held[:, :-1].flatten(1).gather(1, by) for held in (bins.value, bins.place))
    return edges, joined(counts), _drawn(kept(nearest, NOBODY), kept(value, 0), kept(place, -1), order, places), joined(labels)


def _drawn(first: Tensor, value: Tensor, place: Tensor, order: Int[Tensor, " picture"], places: tuple[int, int]) -> Drawn:
    """Random pictures by their place in the random order, as their numbers."""
    first, by = first.sort(-1)
    value, place = value.gather(-1, by), place.gather(-1, by)
    nobody = first == NOBODY
    number = order.argsort()[first.masked_fill(nobody, 0)].masked_fill(nobody, -1)
    return Drawn(number, value.masked_fill(nobody, torch.nan), _rows_and_cols(place.masked_fill(nobody, -1), places))


def _extreme(largest: Largest, places: tuple[int, int]) -> Drawn:
    nobody = largest.number < 0
    return Drawn(largest.number, largest.value.masked_fill(nobody, torch.nan), _rows_and_cols(largest.place, places))


def _rows_and_cols(place: Int[Tensor, "*unit"], places: tuple[int, int]) -> Int[Tensor, "*unit two"]:
    cols = max(1, places[1])
    return torch.stack([place // cols, place % cols], -1).masked_fill((place < 0)[..., None], -1)


def _notes(source: Pictures, count: int, units: list[int], shown_units: list[int], default: bool, bins: Levels) -> tuple[str, ...]:
    notes = []
    if source.broken:
        notes.append(f"{len(source.broken)} of {source.count} files were left out: {told(source.broken)}")
    if source.size is not None:
        notes.append(f"files were brought to {source.size[0]} x {source.size[1]} pixels: the shorter side is scaled, the middle is cut")
    if dead := [unit for unit, width in zip(units, bins.width, strict=True) if width == 0]:
        rest = f" and {len(dead) - 8} more" if len(dead) > 8 else ""
        notes.append(f"{'units' if len(dead) > 1 else 'unit'} {', '.join(map(str, dead[:8]))}{rest} never left zero on {count} pictures: dead here")
    if default and len(units) > len(shown_units):
        notes.append(f"pictures are kept of {len(shown_units)} of {len(units)} units; name others with pictured=")
    return tuple(notes)


def _crops(found: DatasetExamples, source: Pictures) -> dict[str, Tensor]:
    """The receptive fields in the pictures of the pictured units, at most 64 pixels a side, each picture read once."""
    wanted: dict[int, dict[str, Box]] = {}
    for unit in found.pictured:
        for drawn in found.drawn(unit):
            wanted.setdefault(drawn.number, {})[drawn.key] = drawn.box
    crops = {}
    for number, boxes in sorted(wanted.items()):
        picture = source[number]
        for key, (top, left, bottom, right) in boxes.items():
            crop = picture[:, top:bottom, left:right]
            share = min(1.0, PIXELS / max(crop.shape[1:]))
            if share < 1:
                rows, cols = (max(1, round(share * side)) for side in crop.shape[1:])
                crop = interpolate(crop[None], size=(rows, cols), mode="area")[0]
            crops[key] = (255 * crop).round().byte()
    return crops
