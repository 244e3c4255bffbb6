"""Which layers of two networks say the same? A measure of every pair of layers, beside what it gives for pictures in random order.

A similarity by itself says nothing: most measures are high for noise (`sonde.vision.measures`), and layers share what any filters share. Each cell
therefore has its null, the measure with one network's pictures exchanged whole (places stay), and its spread, the measure on each half of the
pictures alone. Whether layers share what was *learnt* is told by `check`, beside the other network with its filters in random order.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown
from sonde.vision.aligned import rows, shuffled_within
from sonde.vision.matching import halves, two_sides
from sonde.vision.measures import ENOUGH, FITTED, MEASURES, PARTS, centred
from sonde.vision.normalisation import Normalisation
from sonde.vision.similarity_results import Similarity, words

if TYPE_CHECKING:
    import numpy as np

LEAST = 16  # pictures, so that each half has 8
DEFAULT = ("debiased_cka", "cka")


def similarity(
    model: Model, layers: Sequence[str], other: Model, other_layers: Sequence[str],
    pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", *, measures: Sequence[str] = DEFAULT,
    normalise: Normalisation | str | None = None, other_normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None,
    other_size: int | tuple[int, int] | None = None, samples: int = 2000, draws: int = 19, seed: int = 0, batch_size: int = 32,
    folder: str | Path | None = None, progress: bool = False,
) -> Similarity:  # fmt: skip
    """Compare every layer of one network with every layer of another, on the same places of the same pictures.

    Arguments:
        model, layers: a network, and modules' paths or sites in it.
        other, other_layers: the network that it is compared with, which may be the same.
        pictures: as for `match_units`.
        measures: of `debiased_cka`, `cka`, `svcca`, `pwcca`, `rsa`, `procrustes`, `mutual_neighbours`; the first two by default. The others take much
            longer, as each cell is measured again for each random order.
        normalise, other_normalise, size, other_size: as for `match_units`.
        samples: rows (picture, place) at most. The layer with the fewest places sets the grid for all.
        draws: random orders of the pictures for the null, at least 2.
        seed: of the places, the halves and the orders.
        batch_size: pictures at once.
        folder: keep what is finished there; a comparison that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: fewer than 16 pictures, an unknown measure, or what `match_units` refuses.
        UnknownSite: no such layer.

    Source: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited".

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> model, layers = sonde.load("specimen:digits"), ["blocks.0.act", "blocks.2.act"]
    >>> found = similarity(model, layers, model, layers, held_out()[0][:40], normalise="none", measures=["debiased_cka"])
    >>> [round(float(one), 3) for one in found.values[0].diagonal()]
    [1.0, 1.0]
    """
    chosen = [measures] if isinstance(measures, str) else list(measures)
    if not chosen or len(set(chosen)) < len(chosen) or set(chosen) - set(MEASURES):
        raise InputError(f"measures={shown(measures)}: choose among {', '.join(MEASURES)}, each once")
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    sides = two_sides(model, layers, other, other_layers, pictures, normalise, other_normalise, size, other_size)
    read = rows(sides, samples, LEAST, seed, batch_size, folder, progress)
    arguments = {"layers": sides[0].layers, "other_layers": sides[1].layers, "other": other.hash, "measures": chosen,
                 "normalise": str(sides[0].means), "other_normalise": str(sides[1].means), "size": size, "other_size": other_size,
                 "samples": samples, "draws": draws}  # fmt: skip
    recipe = Recipe.of("sonde.vision.similarity", arguments, model_hash=model.hash, inputs=[read.digest], seed=seed)
    own, others = read.values
    for one, tables in zip(sides, (own, others), strict=True):
        for layer, values in zip(one.layers, tables, strict=True):
            if float(values.std(dim=(0, 1)).max()) == 0:
                raise InputError(f"{layer!r} of {one.model.name} gives the same for all pictures: dead here, nothing to compare")
    n = len(read.numbers)
    half = halves(n, seed)
    everywhere = torch.zeros(n, dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed + 1)
    orders = [shuffled_within(everywhere, generator) for _ in range(draws)]
    pairs = [(i, j) for i in range(len(own)) for j in range(len(others))]
    values = torch.full((len(chosen), len(own), len(others)), torch.nan)
    null = torch.full((len(chosen), draws, len(own), len(others)), torch.nan)
    split = torch.full((len(chosen), 2, len(own), len(others)), torch.nan)
    for i, j in track(pairs, "comparing layers", shown=progress):
        for m, measure in enumerate(chosen):
            values[m, i, j], *by_chance = _measured(measure, own[i], others[j], orders)
            null[m, :, i, j] = torch.tensor(by_chance)
            split[m, :, i, j] = torch.tensor([_measured(measure, own[i][part], others[j][part], [])[0] for part in (half, ~half)])
    units, other_units = ([one.shape[2] for one in tables] for tables in (own, others))
    one, two = sides
    return Similarity(
        model=model.name, other=other.name, other_hash=other.hash, layers=one.layers, other_layers=two.layers, measures=chosen, values=values,
        null=null, halves=split, units=units, other_units=other_units, pictures=n, places=read.places, grid=read.grid, fields=one.fields,
        other_fields=two.fields, normalise=one.means,
        other_normalise=two.means, size=one.source.size, other_size=two.source.size, samples=samples,
        notes=(*read.notes, *_warned(chosen, n * read.places, max(*units, *other_units))), recipe=recipe,
    )  # fmt: skip


def _measured(
    measure: str, x: Float[Tensor, "picture place one"], y: Float[Tensor, "picture place other"], orders: Sequence[Int[Tensor, " picture"]]
) -> list[float]:  # fmt: skip
    """A measure of two layers, and with the pictures of the second in other orders."""
    each = [_rows(order, x.shape[1]) for order in orders]
    own, others = x.flatten(0, 1), y.flatten(0, 1)
    if measure not in PARTS:
        return [MEASURES[measure](own, others), *(MEASURES[measure](own, others[order]) for order in each)]
    part, one, two = PARTS[measure], centred(own), centred(others)
    whole = (part(one, one) * part(two, two)).clamp(min=0).sqrt()  # no order of samples changes it
    return [float(part(one, there) / whole) for there in (two, *(two.at(order) for order in each))]


def _rows(order: Int[Tensor, " picture"], places: int) -> Int[Tensor, " row"]:
    """An order of pictures as one of rows (picture, place)."""
    return (order[:, None] * places + torch.arange(places)).flatten()


def _warned(measures: Sequence[str], samples: int, units: int) -> list[str]:
    raised = [words(one) for one in measures if one in FITTED]
    if not raised or samples >= ENOUGH * units:
        return []
    verb = "are" if len(raised) > 1 else "is"
    few = f"there are {samples} samples and layers of up to {units} units, and fewer than {ENOUGH} samples a unit fool all but the debiased CKA"
    return [f"{', '.join(raised)} {verb} raised by chance: {few}. Read them beside the random orders only"]
