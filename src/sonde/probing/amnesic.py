"""Amnesic probing: does a model use what it encodes (Elazar et al. 2021)?

A property is taken out of the states, the model runs on, and what it does worse is held against taking random directions out: as many of them, and
as many as hold as much variance. A probe says what is encoded, the removal what is used, and neither tells the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Site
from sonde.jobs import track
from sonde.probing.amnesic_results import Amnesic, AmnesicCase
from sonde.probing.behaviour import Texts, losses
from sonde.probing.commonest import commonest
from sonde.probing.division import divide
from sonde.probing.erasure import RANDOM, Fit, Kind, edits_of, everywhere, placed_sites, random_fits, scrubbed
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import fit_logistic
from sonde.probing.reading import read_together
from sonde.probing.states import States
from sonde.results import InputError, Recipe
from sonde.tasks import Task

SHARE = 0.2  # of the examples that are kept for the probe's test
Told = tuple[Float[Tensor, " test"], Float[Tensor, " test"]]
"""Whether a probe, and whether the commonest class, is right on each held-out example."""
NEAR = 0.9  # of the variance that an eraser takes out: a control that takes less is named


def amnesic(
    model: Model, properties: Labelled | Mapping[str, Labelled], on: Task | Texts, sites: str | Iterable[str | Sequence[str]],
    kind: Kind = "leace", draws: int = 20, pooling: Pooling = "last", seed: int = 0, progress: bool = False,
) -> Amnesic:  # fmt: skip
    """What a model loses when properties are taken out of its states.

    Arguments:
        model: does the task, or predicts the texts.
        properties: examples of one property, or of several by name; classes. Erasers and probes are fitted on them alone.
        on: what the model does: a task, or texts that took no part in the fitting.
        sites: where, one entry after the other: a site, or several in a list, which are erased together, layer after layer. A site with a selection,
            such as `blocks.2.resid_post[pos=-1]`, is erased there only, and everywhere else at every token.
        kind: "leace", "mean" or "inlp".
        draws: how many random erasers of each kind of control.
        pooling: as for `read_states`.
        seed: of the divisions and the draws.
        progress: show a bar.

    Raises:
        InputError: no property or site; numbers in place of classes; fewer than two draws; what `read_states` and `losses` raise.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> texts = [f"{article} {noun}" for article in ("The", "A", "My", "Her") for noun in ("key", "keys", "cat", "cats", "dog", "dogs")]
    >>> number = Labelled.of(texts, ["one", "many"] * 12, name="number")
    >>> found = amnesic(model, number, ["The keys are here.", "The cat sleeps."], ["blocks.1.resid_post"], draws=2)
    >>> found.cases[0].rank, found.cases[0].effect.shape
    (1, torch.Size([2, 2]))
    """
    named = {properties.name: properties} if isinstance(properties, Labelled) else dict(properties)
    places = places_of(model, sites)
    refuse_untold(named, draws)
    wanted = list(dict.fromkeys(everywhere(site) for place in places for site in place))
    read = read_together(model, list(named.values()), wanted, pooling, progress=progress)
    states = dict(zip(named, read, strict=True))
    told = {name: [_told(one, place[-1], seed) for place in places] for name, one in states.items()}
    given = {
        "properties": list(named), "sites": [[str(site) for site in place] for place in places], "kind": kind, "draws": draws, "pooling": pooling,
    }  # fmt: skip
    inputs = [[data.hash for data in named.values()], content_of(on)]
    recipe = Recipe.of("sonde.probing.amnesic", given, model_hash=model.hash, inputs=inputs, seed=seed)
    return removed(model, states, told, on, places, kind, draws, seed, progress, recipe)


def removed(
    model: Model, states: Mapping[str, States], told: Mapping[str, Sequence[Told]], on: Task | Texts, places: Sequence[Sequence[Site]], kind: Kind,
    draws: int, seed: int, progress: bool, recipe: Recipe,
) -> Amnesic:  # fmt: skip
    """What `amnesic` finds for properties whose states were read and probed already.

    Arguments:
        model, on, kind, draws, seed, progress: as for `amnesic`.
        states: of each property.
        told: of each, what a probe tells at each place.
        places: the sites that are erased together, in the order of the computation.
        recipe: of the result.
    """
    cases, edits, notes = [], [], []
    for name, first in track(states.items(), "fitting", shown=progress):
        notes += [f"{name}: {note}" for note in first.notes]
        train, test = divide(first.data.groups, SHARE, seed)
        for place, known in zip(places, told[name], strict=True):
            fits = list(scrubbed(model, first.data, place, kind, cast(Pooling, first.pooling), first, train, seed, progress))
            cases.append((name, place, fits, *known, first.data.groups[test]))
            controls = {by: random_fits(fits, draws, seed, by) for by in RANDOM}
            edits += [edits_of(one) for one in (fits, *controls["rank"], *controls["variance"])]
            notes += _unmatched(name, fits, controls["variance"][0])
    measured = losses(model, on, edits, progress)
    values = measured.values.view(len(cases), 1 + 2 * draws, *measured.values.shape[1:])
    return Amnesic(
        [_case(*case, found, draws) for case, found in zip(cases, values, strict=True)], kind, measured.measures, measured.intact, measured.gap,
        notes, recipe=recipe,
    )  # fmt: skip


def places_of(model: Model, sites: str | Iterable[str | Sequence[str]]) -> list[list[Site]]:
    """The sites of each entry.

    Arguments:
        model, sites: as for `amnesic`.

    Raises:
        InputError: none.
    """
    places = [placed_sites(model, entry) for entry in ([sites] if isinstance(sites, str) else sites)]
    if not places:
        raise InputError("nothing to take out: give at least one property and one site")
    return places


def refuse_untold(properties: Mapping[str, Labelled], draws: int) -> None:
    """Raise `InputError` where there is no property, one that no probe tells, or fewer than two draws.

    Arguments:
        properties, draws: as for `amnesic`.
    """
    if not properties:
        raise InputError("nothing to take out: give at least one property and one site")
    if draws < 2:
        raise InputError(f"draws={draws}: the spread of random removals needs two at least")
    if wrong := [name for name, data in properties.items() if not data.classes]:
        raise InputError(f"{wrong[0]!r} has numbers in place of classes, which no probe of this study tells: bin them")


def content_of(on: Task | Texts) -> object:
    """What a recipe keeps of what the model does.

    Arguments:
        on: a task, or texts.
    """
    return on.content if isinstance(on, Task) else list(on)


def _told(states: States, site: Site, seed: int) -> Told:
    """Where a linear probe of a site is right on held-out examples, and where the commonest class is."""
    train, test = divide(states.data.groups, SHARE, seed)
    x, y = states[everywhere(site)], states.y
    said = fit_logistic(x[train], y[train], len(states.data.classes)).predict(x[test])
    return (said == y[test]).float(), (commonest([0] * len(y), y, train, test) == y[test]).float()


def _unmatched(name: str, fits: Sequence[Fit], controls: Sequence[Fit]) -> list[str]:
    """Where no random removal takes out as much variance, since the concept holds more than all the rest."""
    shares = {str(fit.site): control.eraser.change / fit.eraser.change for fit, control in zip(fits, controls, strict=True) if fit.eraser.rank}
    return [
        f"{name} holds more variance at {site} than random removals beside it can take out: the control of equal variance takes {share:.0%} of it"
        for site, share in shares.items() if share < NEAR
    ]  # fmt: skip


def _case(
    name: str, place: Sequence[Site], fits: Sequence[Fit], right: Tensor, majority: Tensor, groups: Tensor,
    values: Float[Tensor, "edit measure example"], draws: int,
) -> AmnesicCase:  # fmt: skip
    erasers = [fit.eraser for fit in fits]
    return AmnesicCase(
        name, " + ".join(map(str, place)), sum(one.rank for one in erasers), [one.change for one in erasers], [one.residual for one in erasers],
        right, majority, groups, values[0], torch.stack(values[1:].split(draws)),
    )  # fmt: skip
