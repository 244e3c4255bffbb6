"""Of what is a unit built: which units of a layer before it excite it, which inhibit it, and where? Read off the weights, slice by slice.

    excitation E(u, v) = sum of W[u, v]+      inhibition I(u, v) = sum of W[u, v]-      strength = E + I
    contribution(u, v) = strength(u, v) x mean activation of v

(Cammarata et al. 2020, "Visualizing Weights"; Olah et al. 2020, "Zoom In".) Channels differ in scale, so that a large weight may carry little: where
there are pictures, partners are ranked by their contribution. Between layers that do not touch the weights are composed (`expanded.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.sites import Site
from sonde.jobs import track
from sonde.results import InputError, Recipe, content_hash, shown
from sonde.vision.examples import source_of
from sonde.vision.expanded import BATCH, counted, expanded
from sonde.vision.feeding import Feeding, feeding, path_of, precision
from sonde.vision.files import differing, told
from sonde.vision.layers import refuse_others, site_of
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.reading import Reader
from sonde.vision.slices import norm_after
from sonde.vision.weight_results import UnitWeights

if TYPE_CHECKING:
    import numpy as np


def weights_between(
    model: Model, layer: str, source: str | None = None, units: Sequence[int] | None = None, *,
    pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path | None" = None, normalise: Normalisation | str | None = None,
    size: int | tuple[int, int] | None = None, batch_size: int = BATCH, folder: str | Path | None = None, progress: bool = False,
) -> UnitWeights:  # fmt: skip
    """How the units of a layer are built from those of a layer before it.

    Arguments:
        model: a network of pictures.
        layer: of the units: a module's path or a site. A batch norm that alone reads it is folded in.
        source: the layer before it, as the network runs or any earlier one; by default the one that it reads.
        units: of the layer; all of them by default.
        pictures: from 0 to 1, on which the source's activations are averaged: as for `dataset_examples`. Without them strength ranks.
        normalise: of the pictures; by default as the model's own image processor says.
        size: rows and columns of the pictures, and of the blank one on which the network runs.
        batch_size: units or pictures at once.
        folder: keep finished batches there; a search that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: no such unit, a layer without weights, a source that does not reach the layer. UnknownSite: no such layer.
        SiteUnavailable: something between both layers has no weights, such as attention.

    >>> import sonde
    >>> found = weights_between(sonde.load("specimen:digits"), "blocks.1.conv", units=[3])
    >>> found.source, found.weight.shape, found.incoming(3, 1)[0].name == found.labels[int(found.strength[0].argmax())]
    ('blocks.0:out', torch.Size([1, 16, 3, 3]), True)
    """
    refuse_others(model)
    seen = feeding(model, size)
    site, folded = _target(model, layer)
    before = site_of(model, source) if source is not None else seen.source(path_of(model, layer))
    model.locate(Site.parse(before).name)
    count, channels = counted(model, site, before, size)
    chosen = _units(units, count, layer)
    found = expanded(model, site, before, chosen, size, batch_size, folder, progress)
    mean, numbers, digest = torch.full((channels,), torch.nan), 0, ""
    notes: list[str] = []
    means = None
    if pictures is not None:
        means = normalisation(model, normalise)
        mean, numbers, notes, digest = _means(model, before, pictures, means, size, batch_size, progress)
    arguments = {"layer": layer, "source": source, "units": None if units is None else chosen, "size": size, "normalise": str(means)}
    recipe = Recipe.of("sonde.vision.weights_between", arguments, model_hash=model.hash, inputs=digest)
    return UnitWeights(
        layer=layer, site=site, source=before, units=chosen, labels=labels(seen, before, channels), weight=found.weight, bias=found.bias,
        corner=found.corner, middle=found.middle, stride=found.stride, passed=found.passed, activation=mean, count=numbers, normalise=means,
        size=size, notes=(*folded, *_said(seen, before, found.stride, found.passed), *notes), recipe=recipe,
    )  # fmt: skip


def labels(seen: Feeding, source: str, channels: int) -> list[str]:
    """What the channels of a site are called: by the layer that returned it, else by those that made them, else by the site.

    Arguments:
        seen: of the network.
        source: the site.
        channels: how many.
    """
    path, _, port = source.rpartition(":")
    if port == "out":
        return [f"{path}:{i}" for i in range(channels)]
    parts = seen.at(source) if port == "in" else ()
    if parts and all(len(part.layers) == 1 for part in parts):
        return [f"{layer}:{own + i}" for part in parts for layer, own in part.layers for i in range(part.count)]
    return [f"{source}[{i}]" if port == "in" else f"{source}:{i}" for i in range(channels)]


def _target(model: Model, layer: str) -> tuple[str, list[str]]:
    """The site of the units: after the batch norm that alone reads them, where there is one."""
    site = site_of(model, layer)
    spec = model.locate(Site.parse(site).name)
    if spec.point.port != "out" or site != f"{spec.point.module}:out":
        return site, []
    norm = norm_after(model, spec.point.module)
    return (f"{norm}:out", [f"the batch norm {norm} was folded into the weights"]) if norm else (site, [])


def _units(given: Sequence[int] | None, count: int, layer: str) -> list[int]:
    units = list(range(count)) if given is None else list(given)
    for unit in units:
        if not isinstance(unit, int) or not 0 <= unit < count:
            raise InputError(f"there is no unit {shown(unit)} at {layer!r}: it has {count}")
    if not units or len(set(units)) < len(units):
        raise InputError(f"units={shown(units)}: name some, each once")
    return units


def _means(
    model: Model, site: str, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", means: Normalisation,
    size: int | tuple[int, int] | None, batch_size: int, progress: bool,
) -> tuple[Float[Tensor, " channel"], int, list[str], str]:  # fmt: skip
    """The mean activation of every channel over places and pictures, how many there were, what is to be said, and what they are recognised by."""
    total, count, digests = torch.zeros(()), 0, []
    source, reader = source_of(model, pictures, size), Reader(model, site)
    for start in track(range(0, source.count, batch_size), "looking at pictures", shown=progress):
        read = [one for _, one in source.read(range(start, min(start + batch_size, source.count)))]
        sizes = list(dict.fromkeys(tuple(one.shape[1:]) for one in read))
        if len(sizes) > 1:
            raise differing(*sizes[:2])
        if not read:
            continue
        maps = reader(means(torch.stack(read)).to(precision(model)))
        total = total + (maps.flatten(2).mean(2) if maps.ndim > 2 else maps).sum(0)
        count += len(read)
        digests.append(content_hash(torch.stack(read)))
    if not count:
        raise InputError(f"none of the {source.count} files is a picture that can be read; the first: {told(dict(list(source.broken.items())[:1]))}")
    notes = [f"{len(source.broken)} of {source.count} files were left out: {told(source.broken)}"] if source.broken else []
    return total / count, count, notes, content_hash(digests)


def _said(seen: Feeding, source: str, stride: tuple[int, int] | None, passed: Sequence[str]) -> list[str]:
    """What the reader of these weights must know."""
    notes = [f"on the way was taken: {', '.join(passed)}"] if passed else []
    path, parts = source.rpartition(":")[0], seen.at(source)
    own = len(parts) == 1 and len(parts[0].layers) == 1 and f"{parts[0].layers[0][0]}.".startswith(f"{path}.")
    if parts and not own:
        notes += [part.said(source) for part in parts[:4]] + ([f"{source} has {len(parts) - 4} more parts"] if len(parts) > 4 else [])
    if stride is None:
        notes.append(
            "the filters change from place to place (they reach over the border, or there is one place): those of the middle place are shown"
        )
    return notes
