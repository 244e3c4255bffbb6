"""Of which units is a unit built, and which are built of it? Slices of weights, each with a small picture of what the partner looks for."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import Drawing, SondeError
from sonde.results.drawing import picture_grid
from sonde.vision.between import weights_between
from sonde.vision.feeding import feeding, path_of
from sonde.vision.layers import fitting, site_of, view_of
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import Channel, Neuron, Objective
from sonde.vision.pages.canvas import grey
from sonde.vision.parameters import Fourier
from sonde.vision.reading import maps_of
from sonde.vision.render import show
from sonde.vision.sentences import sentences
from sonde.vision.weight_results import UnitWeights

if TYPE_CHECKING:
    import numpy as np

SMALL = 64  # rows and columns of partners' pictures


def built_from(
    model: Model, layer: str, unit: int, n: int, pictures: "Tensor | np.ndarray | str | Path | None", means: Normalisation,
    size: int | tuple[int, int] | None, looked: Callable[[Sequence[str]], dict[str, Tensor]], folder: Path | None,
) -> UnitWeights:  # fmt: skip
    """The unit's weights on the layer that it reads, with pictures of those that excite and inhibit it most.

    Arguments:
        model, layer, unit: which.
        n: partners on either side.
        pictures, means, size: as for `weights_between`.
        looked: gives pictures of units by their names.
        folder: where finished parts are kept.

    Raises:
        SondeError: nothing tells its weights.
    """
    found = weights_between(model, layer, units=[unit], pictures=pictures, normalise=means, size=size, folder=folder)
    names = [one.name for sign in (1, -1) for one in found.incoming(unit, n, sign)]
    return found.with_pictures(looked(names))


def feeds(
    model: Model, layer: str, unit: int, n: int, pictures: "Tensor | np.ndarray | str | Path | None", means: Normalisation,
    size: int | tuple[int, int] | None, looked: Callable[[Sequence[str]], dict[str, Tensor]], folder: Path | None,
) -> UnitWeights | None:  # fmt: skip
    """The weights of the layer that reads the unit next, on this unit alone; `None` where none does.

    Arguments:
        model, layer, unit, n, pictures, means, size, looked, folder: as for `built_from`.

    Raises:
        SondeError: nothing tells the weights.
    """
    readers = feeding(model, size).readers(path_of(model, layer))
    if not readers:
        return None
    found = weights_between(model, readers[0], source=layer, pictures=pictures, normalise=means, size=size, folder=folder)
    own = slice(unit, unit + 1)
    alone = replace(found, labels=[f"{layer}:{unit}"], weight=found.weight[:, own].clone(), activation=found.activation[own].clone())
    names = [one.name for sign in (1, -1) for one in alone.outgoing(0, n, sign)]
    return alone.with_pictures(looked(names))


def fed(found: UnitWeights, n: int) -> Drawing:
    """The units that one excites and inhibits most: slices and what they look for.

    Arguments:
        found: weights on one channel alone.
        n: on either side.
    """
    rows: list[tuple[str, list[Any], list[Any], list[float | None], list[str]]] = []
    for word, sign in (("excites", 1), ("inhibits", -1)):
        partners = found.outgoing(0, n, sign)
        gap: list[Any] = [None] * (n - len(partners))
        slices = [found.weight[found.units.index(one.number), 0] for one in partners]
        worth: list[float | None] = [one.contribution if found.count else one.strength for one in partners]
        blank: list[Any] = [None] * n
        rows.append((word, blank, [*slices, *gap], [*worth, *gap], [*(one.name for one in partners), *[""] * len(gap)]))
        seen = [found.pictures.get(one.name) for one in partners]
        if any(one is not None for one in seen):
            rows.append(("... which look for", [*seen, *gap], blank, blank, [""] * n))
    shown = [row for row in rows if any(one is not None for one in (*row[1], *row[2]))]
    words, pictures, maps, values, details = (list(part) for part in zip(*shown, strict=True))
    unit = "mean contribution" if found.count else "sum of weights"
    note = sentences((f"ranked by {found.ranked_by}", *found.notes))
    return picture_grid(
        f"What is built of {found.labels[0]}?", unit, pictures, row_name=f"units of {found.layer}", rows=words, col_name="the strongest first",
        cols=[str(i + 1) for i in range(n)], values=values, details=details, maps=maps, map_unit="weight", zero="no weight", note=note,
    )  # fmt: skip


def looks_of(
    model: Model, names: Sequence[str], means: Normalisation, steps: int, seed: int, folder: Path | None, progress: bool
) -> dict[str, Float[Tensor, "channel row col"]]:  # fmt: skip
    """Small pictures of what units look for, by name; those that are no units of a layer, such as colours of the picture, have none.

    Arguments:
        model: the network.
        names: `LAYER:CHANNEL`.
        means: what is done to pictures.
        steps, seed, folder, progress: as for `show`.
    """
    channels, view = fitting(model)[1], view_of(model)
    size: int | tuple[int, int] = SMALL if view is None else view
    objectives: dict[str, Objective] = {}
    for name in names:
        layer, _, number = name.rpartition(":")
        if not number.isdecimal():
            continue
        try:
            maps = maps_of(model, site_of(model, layer), means(grey(channels, size)))
        except SondeError:  # too small a picture, or no maps: it stays without
            continue
        objectives[name] = Channel(layer, int(number)) if maps.ndim == 4 else Neuron(layer, int(number))
    if not objectives:
        return {}
    of = Fourier(size, channels, "decorrelated" if channels == 3 else "plain")
    found = show(model, list(objectives.values()), of=of, normalise=means, steps=steps, seed=seed, folder=folder, progress=progress)
    return dict(zip(objectives, found.pictures, strict=True))
