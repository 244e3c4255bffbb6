"""All that is known of one unit, on one page that a stranger can read: what it looks for, when it fires, what it is tuned to, and what it does.

Each part is a method of its own, with its own control; here they are asked about one unit, and what they say is put into sentences, each beside
its verdict. A page claims several things at once, so that verdicts are widened together (Holm 1979).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.sites import Site
from sonde.evidence import corrected
from sonde.results import InputError, Recipe, SiteUnavailable, SondeError, Verdict, shown
from sonde.tasks import Ablation
from sonde.vision.ablated import unit_effect
from sonde.vision.examples import dataset_examples, source_of
from sonde.vision.fields import receptive_field
from sonde.vision.layers import fitting, refuse_others, site_of
from sonde.vision.matching import match_units
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.objectives import Diversity
from sonde.vision.pages.canvas import grey, kept_in, side_of, stimuli_for
from sonde.vision.pages.partners import built_from, feeds, looks_of
from sonde.vision.pages.result import UnitPage
from sonde.vision.pages.sought import sought
from sonde.vision.parameters import Fourier
from sonde.vision.reading import maps_of
from sonde.vision.render import show
from sonde.vision.tuning import tuning

if TYPE_CHECKING:
    import numpy as np

APART = 0.25  # how much unlike pictures count, beside what one of them reached
TOP, LEVELS, PER_LEVEL = 18, 5, 6
SHOWN = 4  # times as many shuffled networks are shown stimuli as have pictures sought for them: it costs little, and few draws tell little
PARTNER_DRAWS = 4  # random sets of units that are taken away instead of the partners


def unit_page(
    model: Model, unit: str, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path | None" = None, *,
    normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, classes: Sequence[str] | None = None,
    labels: Sequence[object] | Mapping[str, object] | str | None = None, ablation: Ablation | None = None, pixels: int | None = None,
    steps: int = 256, variety: int = 4, draws: int = 4, others: int = 8, partners: int = 4, other: Model | None = None,
    other_layer: str = "", other_normalise: Normalisation | str | None = None, other_size: int | tuple[int, int] | None = None,
    seed: int = 0, batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
) -> UnitPage:  # fmt: skip
    """Put together all that is known of a unit: what it looks for, when it fires, what it is tuned to, and what replacing it does.

    Arguments:
        model: a network of pictures.
        unit: "LAYER:CHANNEL"; a layer is a module's path or a site.
        pictures: from 0 to 1, as `dataset_examples` takes them; without any the page has no examples and tells nothing of what the unit does.
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        size: to which files are brought.
        classes: the names of the network's classes, in order; numbers by default.
        labels: of the pictures, as `dataset_examples` takes them.
        ablation: what takes the unit's place, as `unit_effect` takes it.
        pixels: rows and columns of the pictures that are sought; by default as the network takes them, else 128, or fewer where the given ones have.
        steps: of ascent.
        variety: different pictures of what the unit looks for, beside the one: how unlike they are counts for a quarter of what that one reached; 0
            leaves them out.
        draws: networks with shuffled weights for which pictures are sought, too; four times as many are shown the stimuli; 0 leaves both out.
        others: units of the same layer that are replaced, too.
        partners: units by which it is excited, by which inhibited, and that it excites and inhibits; 0 leaves them out.
        other, other_layer: another network and its layer, in which the nearest unit is sought by its answers to the pictures.
        other_normalise, other_size: how they are shown to it.
        seed: of all draws.
        batch_size: pictures at once.
        folder: keep finished parts there; a page that was interrupted goes on, and pages of other units use what is there.
        progress: show bars.

    Raises:
        InputError: no such unit, no pictures, a normalisation that nobody stated. UnknownSite: no such layer.

    >>> import sonde
    >>> page = unit_page(sonde.load("specimen:digits"), "blocks.0.act:3", normalise="none", pixels=8, steps=4, variety=0, draws=0)
    >>> page.name, page.units
    ('blocks.0.act:3', 16)
    """
    refuse_others(model)
    layer, number = _named(unit)
    for name, value in (("variety", variety), ("draws", draws), ("others", others), ("partners", partners)):
        if not isinstance(value, int) or value < 0 or (name in ("variety", "draws") and value == 1):
            raise InputError(f"{name}={shown(value)}: give 0, or a number of 2 or more")
    if other is not None and (pictures is None or not other_layer):  # said before the work, not after it
        raise InputError("the nearest unit of another network is sought by its answers to pictures: give pictures and other_layer=, too")
    means, site = normalisation(model, normalise), site_of(model, layer)
    model.locate(Site.parse(site).name)
    source = None if pictures is None else source_of(model, pictures, size)
    first = None if source is None else next((one for _, one in source.read(range(source.count))), None)
    if source is not None and first is None:
        raise InputError(f"none of the {source.count} files is a picture that can be read")
    given = None if first is None else (first.shape[1], first.shape[2])
    side, channels = side_of(model, pixels, given), fitting(model)[1]
    maps = maps_of(model, site, means(grey(channels, side)))
    if not 0 <= number < maps.shape[1]:
        raise InputError(f"there is no unit {number} at {layer!r}: it has {maps.shape[1]}")
    kept = partial(kept_in, folder)
    ((wanted, shunned),) = sought(model, site, layer, [number], means, (channels, side))
    of = Fourier(side, channels, "decorrelated" if channels == 3 else "plain")
    climb: dict[str, Any] = {"of": of, "normalise": means, "steps": steps, "seed": seed, "batch_size": batch_size, "progress": progress}
    most = show(model, wanted, **climb, folder=kept(f"most {unit}"))
    least = show(model, shunned, **climb, folder=kept(f"least {unit}"))
    worth = abs(float(most.reached[0]))
    varied = None
    if variety and maps.ndim == 4 and worth:
        varied = show(model, wanted + APART * worth * Diversity(layer, variety), **climb, folder=kept(f"varied {unit}"))
    tunings = [tuning(model, layer, stimuli, [number], normalise=means, folder=kept(f"{stimuli.name} {layer}"), progress=progress)
               for stimuli in stimuli_for(model, site, side)]  # fmt: skip
    found = torch.cat([one.pictures for one in (most, varied, least) if one is not None])
    answers = maps_of(model, site, means(found))[:, number].reshape(len(found), -1)
    notes = [] if maps.ndim == 4 else [f"{layer} has no places: its units are numbers for the whole picture, so there is one picture of each kind"]
    examples = effect = None
    if pictures is None:
        notes.append("no pictures were given: when the unit fires on natural ones, and what it does to the answers, is not told")
    else:
        examples = dataset_examples(
            model, pictures, layer, [number], normalise=means, size=size, top=TOP, levels=LEVELS, per_level=PER_LEVEL, labels=labels,
            seed=seed, batch_size=batch_size, folder=kept(f"examples {layer}"), progress=progress,
        )  # fmt: skip
        try:
            effect = unit_effect(
                model, pictures, layer, number, ablation=ablation, classes=classes, normalise=means, size=size, draws=others, seed=seed,
                batch_size=batch_size, folder=kept(f"effect {layer}"), progress=progress,
            )  # fmt: skip
        except SiteUnavailable as reason:
            notes.append(str(reason))
    looked = partial(_looked, model, means, steps, seed, folder, progress)
    built = fed = None
    if partners and maps.ndim == 4:
        try:
            built = built_from(model, layer, number, partners, pictures, means, size, partial(looked, f"sources of {unit}"), None)
        except SondeError as reason:
            notes.append(f"of which units it is built is not told: {reason}")
        try:
            fed = feeds(model, layer, number, partners, pictures, means, size, partial(looked, f"readers of {unit}"), None)
        except SondeError as reason:
            notes.append(f"which units it feeds is not told: {reason}")
    matches, nearest = None, {}
    if other is not None and pictures is not None:
        matches = match_units(
            model, layer, other, other_layer, pictures, normalise=means, other_normalise=other_normalise, size=size, other_size=other_size,
            seed=seed, batch_size=batch_size, folder=kept(f"match {layer} {other.name} {other_layer}"), progress=progress,
        )  # fmt: skip
        alike = matches.correlation[number].nan_to_num(-2).argsort(descending=True)[: max(1, partners)].tolist()
        names = [f"{other_layer}:{one}" for one in alike]
        nearest = _looked(other, matches.other_normalise, steps, seed, folder, progress, f"nearest to {unit}", names)
    recipe = Recipe.of("sonde.vision.unit_page", {"unit": unit, "normalise": str(means), "size": size, "pixels": side, "steps": steps,
                       "variety": variety, "draws": draws, "others": others, "partners": partners,
                       "other": None if other is None else other.hash, "other_layer": other_layer}, model_hash=model.hash,
                       inputs=None if examples is None else examples.recipe.inputs_hash, seed=seed)  # fmt: skip
    field = receptive_field(model, site, channels, given or (side, side))
    page = UnitPage(
        model=model.name, layer=layer, unit=number, units=maps.shape[1], field=field, most=most, least=least, varied=varied,
        values=torch.cat([answers[:-1].amax(1), answers[-1:].amin(1)]), tunings=tunings,
        examples=examples, effect=effect, partners=partners, built=built,
        feeds=fed, matches=matches, nearest=nearest, verdicts={}, notes=tuple(notes), recipe=recipe,
    )  # fmt: skip
    return page.tested(tested(page, model, pictures, draws, seed))


def tested(
    page: UnitPage, model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path | None", draws: int, seed: int
) -> dict[str, list[Verdict]]:  # fmt: skip
    """The verdicts of a page's parts, by the part's name, widened together.

    Arguments:
        page: what was found.
        model: the network that was asked.
        pictures: those that were looked at, where there were any.
        draws: networks with shuffled weights; 0 leaves out what needs them.
        seed: of the draws.
    """
    found: dict[str, list[Verdict]] = {"looks": page.most.check(model, draws=draws, seed=seed)}
    if page.examples is not None and pictures is not None:
        found["fires"] = page.examples.check(model, pictures)
    if draws:
        found["tuned"] = [verdict for one in page.tunings for verdict in one.check(model, [page.unit], draws=SHOWN * draws, seed=seed)]
    if page.effect is not None:
        found["does"] = page.effect.check(model)
    if page.built is not None and pictures is not None:
        found["built"] = page.built.check(model, pictures, [page.unit], page.partners, PARTNER_DRAWS, seed)
    together = iter(corrected([verdict for part in found.values() for verdict in part]))
    return {name: [next(together) for _ in part] for name, part in found.items()}


def _looked(
    model: Model, means: Normalisation, steps: int, seed: int, folder: str | Path | None, progress: bool, part: str, names: Sequence[str]
) -> dict[str, Float[Tensor, "channel row col"]]:  # fmt: skip
    return looks_of(model, names, means, steps, seed, kept_in(folder, part), progress)


def _named(unit: str) -> tuple[str, int]:
    layer, _, number = unit.rpartition(":") if isinstance(unit, str) else ("", "", "")
    if not layer or not number.isdecimal():
        raise InputError(f"{shown(unit)} is no unit: give LAYER:CHANNEL, such as 'fire2:3'")
    return layer, int(number)
