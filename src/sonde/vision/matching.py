"""Do two networks have the same units? Each unit of one beside the unit of the other that answers most alike, at the same places of pictures.

    C[i, j] = corr(X_i, Y_j) over (picture, place)     best match: max_j C[i, j]     one to one: the assignment of the largest sum (Hungarian)

The largest of many correlations is large by chance, so all of it is done anew with the pictures of the other network in random order: those maxima
are the null (Li et al. 2016, "Convergent Learning", match units in this way, without it). Pictures are exchanged whole, so that what hangs on the
place alone stays in the null. What one half of the pictures chose is measured on the other half, beside the most that any choice could reach there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown
from sonde.vision.aligned import Rows, Side, copy_of, rows, shuffled_within, side
from sonde.vision.layers import refuse_others
from sonde.vision.match_results import MatchCourse, UnitMatches
from sonde.vision.normalisation import Normalisation

if TYPE_CHECKING:
    import numpy as np

LEAST = 8  # pictures: four for each half
DRAWS = 19  # random orders, of which one unit in twenty exceeds all by chance
FLAT = 1e-6  # of a unit's largest value: a deviation below is rounding


def match_units(
    model: Model, layer: str, other: Model, other_layer: str, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", *,
    normalise: Normalisation | str | None = None, other_normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None,
    other_size: int | tuple[int, int] | None = None, samples: int = 20_000, draws: int = DRAWS, seed: int = 0, batch_size: int = 32,
    folder: str | Path | None = None, progress: bool = False,
) -> UnitMatches:  # fmt: skip
    """Find for each unit of a layer the unit of another network's layer that answers most alike.

    Arguments:
        model, layer: the network whose units seek partners, and a module's path or a site.
        other, other_layer: where they are sought: another network, another seed or checkpoint, or another layer of the same one.
        pictures: from 0 to 1, as a tensor, an array (.npy), or a folder of files with any subfolders; broken files are named and left out.
        normalise, other_normalise: from pictures of 0 to 1 to what each network takes; by default as its own image processor says, and nothing else
            is guessed. Of the same network twice the second is the first.
        size, other_size: to which files are brought for each network; by default the size that it takes where it takes one only.
        samples: rows (picture, place) at most; of each picture as many places are kept as this allows.
        draws: random orders of the pictures for the null, 19 or more.
        seed: of the places, the halves and the orders.
        batch_size: pictures at once.
        folder: keep finished batches there; a pass that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: fewer than 8 pictures, or what `dataset_examples` refuses; a layer with places beside one without; only dead units.
        UnknownSite: no such layer.

    Source: Li et al. 2016, "Convergent Learning: Do different neural networks learn the same representations?", section 3.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> model = sonde.load("specimen:digits")
    >>> found = match_units(model, "blocks.0.act", model, "blocks.0.act", held_out()[0][:40], normalise="none")
    >>> found.partner[:4].tolist(), round(float(found.best.nanmean()), 3)
    ([0, 1, 2, 3], 1.0)
    """
    if not isinstance(draws, int) or draws < DRAWS:
        raise InputError(f"draws={shown(draws)}: give {DRAWS} or more, so that one unit in twenty exceeds all of them by chance")
    sides = two_sides(model, [layer], other, [other_layer], pictures, normalise, other_normalise, size, other_size)
    read = rows(sides, samples, LEAST, seed, batch_size, folder, progress)
    arguments = {"layer": layer, "other_layer": other_layer, "other": other.hash, "normalise": str(sides[0].means),
                 "other_normalise": str(sides[1].means), "size": size, "other_size": other_size, "samples": samples, "draws": draws}  # fmt: skip
    recipe = Recipe.of("sonde.vision.match_units", arguments, model_hash=model.hash, inputs=[read.digest], seed=seed)
    return _found(sides, read, samples, draws, seed, recipe, progress)


def match_course(
    model: Model, layer: str, others: Mapping[str, Model], other_layer: str,
    pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", **how: object,
) -> MatchCourse:  # fmt: skip
    """How well the units of a layer are matched in each of several networks, such as the checkpoints of a training or its seeds.

    Arguments:
        model, layer: the network whose units seek partners.
        others: networks by name, in order.
        other_layer: the layer of theirs, the same in all.
        pictures: as for `match_units`.
        how: further arguments of `match_units`.

    Raises:
        InputError: no networks, or as for `match_units`.

    >>> import sonde
    >>> from sonde.nn import filters_permuted
    >>> from sonde.specimens.digits import held_out
    >>> model = sonde.load("specimen:digits")
    >>> shuffled = sonde.load(filters_permuted(model.module, 0))
    >>> course = match_course(model, "blocks.2.act", {"itself": model, "shuffled": shuffled}, "blocks.2.act", held_out()[0][:40],
    ...                       normalise="none", other_normalise="none")
    >>> bool(course.best[0].nanmean() > course.best[1].nanmean())
    True
    """
    if not isinstance(others, Mapping) or not others:
        raise InputError(f"others={shown(others)}: give networks by name")
    found = [match_units(model, layer, other, other_layer, pictures, **how) for other in others.values()]  # type: ignore[arg-type]
    return MatchCourse(
        layer=layer, other_layer=other_layer, names=[str(name) for name in others], best=torch.stack([one.best for one in found]),
        held=torch.stack([one.held for one in found]), null_best=torch.stack([one.null_best.nanmean(1) for one in found]),
        notes=tuple(dict.fromkeys(note for one in found for note in one.notes)), recipe=found[0].recipe,
    )  # fmt: skip


def pairs_of(
    found: UnitMatches, model: Model, other: Model, copies: Sequence[Model], pictures: "Tensor | np.ndarray | str | Path", seed: int, batch_size: int,
    folder: str | Path | None, progress: bool,
) -> list[Int[Tensor, " one"]]:  # fmt: skip
    """The partners that are given once, sought in copies of a network in the same way, without the null.

    Arguments:
        found: how units were matched.
        model: the network whose units seek partners.
        other, copies: where they were sought, and copies of it with other weights.
        pictures, seed, batch_size, folder, progress: as for `match_units`.
    """
    own, _, theirs = with_copies(found, model, other, copies, pictures, seed, batch_size, folder, progress)
    return [one_to_one(correlations(own.flatten(0, 1), one.flatten(0, 1))) for one in theirs]


def with_copies(
    found: UnitMatches, model: Model, other: Model, copies: Sequence[Model], pictures: "Tensor | np.ndarray | str | Path", seed: int, batch_size: int,
    folder: str | Path | None, progress: bool,
) -> tuple[Tensor, Tensor, list[Tensor]]:  # fmt: skip
    """What both layers answer, and what the layer of copies of the other network does, in one pass over the pictures.

    Arguments:
        found, model, other, copies, pictures, seed, batch_size, folder, progress: as for `pairs_of`.
    """
    sides = two_sides(
        model, [found.layer], other, [found.other_layer], pictures, found.normalise, found.other_normalise, found.size, found.other_size
    )
    sides[0].fields, sides[1].fields = [found.field], [found.other_field]
    read = rows([*sides, *(copy_of(sides[1], one) for one in copies)], found.samples, LEAST, seed, batch_size, folder, progress)
    (own,), (theirs,), *rest = read.values
    return own, theirs, [one for (one,) in rest]


def two_sides(
    model: Model, layers: Sequence[str], other: Model, other_layers: Sequence[str], pictures: "Tensor | np.ndarray | str | Path",
    normalise: Normalisation | str | None, other_normalise: Normalisation | str | None, size: int | tuple[int, int] | None,
    other_size: int | tuple[int, int] | None,
) -> tuple[Side, Side]:  # fmt: skip
    """Both networks of a comparison; the arguments are those of `match_units`."""
    refuse_others(other)
    same = other.hash == model.hash
    if other_normalise is None and normalise is not None and not same and other.processor is None:
        raise InputError(
            f"{other.name} has no image processor that says how its pictures are scaled: state it with other_normalise= (it is the other network's "
            "own, and may differ)"
        )
    own = side(model, layers, pictures, normalise, size)
    theirs = own.means if same and other_normalise is None else other_normalise
    return own, side(other, other_layers, pictures, theirs, size if same and other_size is None else other_size)


def correlations(x: Float[Tensor, "sample one"], y: Float[Tensor, "sample other"]) -> Float[Tensor, "one other"]:
    """The correlation of every unit of one with every unit of the other; NaN of a unit that is the same for all samples.

    Arguments:
        x, y: of the same samples in the same order.

    >>> correlations(torch.tensor([[0.0, 1], [1, 1], [2, 1]]), torch.tensor([[0.0], [-1], [-2]])).round(decimals=3)
    tensor([[-1.],
            [nan]])
    """
    return (_standard(x).T @ _standard(y)).clamp(-1, 1).float()


def one_to_one(correlation: Float[Tensor, "one other"]) -> Int[Tensor, " one"]:
    """Partners that are given once: the assignment with the largest sum of correlations; -1 where none is left, and of dead units.

    Arguments:
        correlation: of every pair of units; NaN of dead ones.

    >>> one_to_one(torch.tensor([[0.9, 0.8], [0.9, 0.1], [torch.nan, torch.nan]]))
    tensor([ 1,  0, -1])
    """
    alive, other_alive = _alive(correlation)
    partner = torch.full((len(correlation),), -1)
    if alive.any():
        own, theirs = linear_sum_assignment(correlation[alive][:, other_alive].numpy(), maximize=True)
        partner[alive.nonzero()[:, 0][own]] = other_alive.nonzero()[:, 0][theirs]
    return partner


def chosen(correlation: Float[Tensor, "one other"], partner: Int[Tensor, " one"]) -> Float[Tensor, " one"]:
    """The correlation with a partner; NaN without one."""
    return correlation.gather(1, partner.clamp(min=0)[:, None])[:, 0].masked_fill(partner < 0, torch.nan)


def best_match(correlation: Float[Tensor, "one other"]) -> Int[Tensor, " one"]:
    """The partner of the largest correlation; -1 of dead units."""
    alive, _ = _alive(correlation)
    return correlation.nan_to_num(-2).argmax(1).masked_fill(~alive, -1)


def across_halves(
    x: Float[Tensor, "picture place one"], y: Float[Tensor, "picture place other"], half: Bool[Tensor, " picture"]
) -> tuple[Float[Tensor, " one"], Float[Tensor, " one"], Bool[Tensor, " one"]]:
    """The correlation on one half of the pictures with the partner that the other half chose, the largest there, and whether both chose the same.

    Arguments:
        x, y: answers at the same places.
        half: which pictures are the first half; each half chooses once, and the mean of both is taken.
    """
    first, second = (correlations(x[part].flatten(0, 1), y[part].flatten(0, 1)) for part in (half, ~half))
    names, others = best_match(first), best_match(second)
    held = (chosen(second, names) + chosen(first, others)) / 2
    return held, (chosen(first, names) + chosen(second, others)) / 2, (names == others) & (names >= 0)


def halves(pictures: int, seed: int) -> Bool[Tensor, " picture"]:
    """A random half of the pictures."""
    half = torch.zeros(pictures, dtype=torch.bool)
    half[torch.randperm(pictures, generator=torch.Generator().manual_seed(seed))[: pictures // 2]] = True
    return half


def _found(
    sides: tuple[Side, Side], read: Rows, samples: int, draws: int, seed: int, recipe: Recipe, progress: bool
) -> UnitMatches:  # fmt: skip
    (x,), (y,) = read.values
    n = len(x)
    half = halves(n, seed)
    correlation = correlations(x.flatten(0, 1), y.flatten(0, 1))
    alive, other_alive = _alive(correlation)
    for one, units, layer in ((sides[0], alive, sides[0].layers[0]), (sides[1], other_alive, sides[1].layers[0])):
        if not units.any():
            raise InputError(f"all {len(units)} units of {layer!r} of {one.model.name} are the same on all {n} pictures: dead here, nothing to match")
    partner, pair = best_match(correlation), one_to_one(correlation)
    held, most, steady = across_halves(x, y, half)
    generator = torch.Generator().manual_seed(seed + 1)
    null = []
    for _ in track(range(draws), "matching in random order", shown=progress):
        shuffled = y[shuffled_within(half, generator)]
        others = correlations(x.flatten(0, 1), shuffled.flatten(0, 1))
        by_chance, given_once = best_match(others), one_to_one(others)
        null.append((chosen(others, by_chance), by_chance, chosen(others, given_once), across_halves(x, shuffled, half)[0]))
    null_best, null_partner, null_pair, null_held = (torch.stack(one) for one in zip(*null, strict=True))
    dead, other_dead = ((~units).nonzero()[:, 0].tolist() for units in (alive, other_alive))
    notes = list(read.notes)
    where = f"at {read.places} of {read.grid[0]} x {read.grid[1]} places in each" if read.grid != (0, 0) else "without places"
    notes.append(f"units were compared on {n} pictures {where}")
    for one, silent in ((sides[0], dead), (sides[1], other_dead)):
        if silent:
            rest = f" and {len(silent) - 8} more" if len(silent) > 8 else ""
            some = f"{'units' if len(silent) > 1 else 'unit'} {', '.join(map(str, silent[:8]))}{rest}"
            notes.append(f"{some} of {one.layers[0]} of {one.model.name} gave the same everywhere: dead here, and left out")
    return UnitMatches(
        model=sides[0].model.name, layer=sides[0].layers[0], other=sides[1].model.name, other_layer=sides[1].layers[0],
        other_hash=sides[1].model.hash, correlation=correlation, partner=partner, best=chosen(correlation, partner), pair=pair,
        paired=chosen(correlation, pair), held=held, most=most, steady=steady, null_best=null_best, null_partner=null_partner, null_paired=null_pair,
        null_held=null_held, dead=dead, other_dead=other_dead, spread=x.flatten(0, 1).std(0),
        other_spread=y.flatten(0, 1).std(0), pictures=n, places=read.places, grid=read.grid, field=sides[0].fields[0],
        other_field=sides[1].fields[0], normalise=sides[0].means,
        other_normalise=sides[1].means, size=sides[0].source.size, other_size=sides[1].source.size, samples=samples,
        notes=tuple(notes), recipe=recipe,
    )  # fmt: skip


def _standard(x: Float[Tensor, "sample unit"]) -> Float[Tensor, "sample unit"]:
    """Columns of mean 0 and length 1 in double precision; NaN of those that do not vary."""
    centred = x.double() - x.double().mean(0)
    length = centred.norm(dim=0)
    return centred / length.masked_fill(length <= FLAT * len(x) ** 0.5 * x.abs().amax(0), torch.nan)


def _alive(correlation: Float[Tensor, "one other"]) -> tuple[Bool[Tensor, " one"], Bool[Tensor, " other"]]:
    known = ~correlation.isnan()
    return known.any(1), known.any(0)
