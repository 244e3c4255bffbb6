"""Are the pictures of feature visualisation true? They must hold under shifts, and beside pictures sought for networks that learnt nothing.

Controls in the unit's own measure: the same picture with random phases (its spectrum alone), and pictures sought in the same way for copies of the
network with shuffled weights, shown to the true one.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, permuted, untestable
from sonde.jobs import Pieces
from sonde.results import InputError, Verdict, shown
from sonde.vision.answers import asked
from sonde.vision.layers import view_of
from sonde.vision.objectives import Objective
from sonde.vision.transforms import Jitter, Pad, chained, sampled

if TYPE_CHECKING:
    from sonde.vision.results import Dream, Visualisation

SHIFT = 1 / 32  # of the picture each way: 4 pixels of 128
SHARE = 0.8  # of its value that a shifted picture keeps
BATCH = 16
CHECKED = "value under a random shift"


def checked(found: "Visualisation", model: Model, copies: int, draws: int, seed: int) -> list[Verdict]:
    """The verdicts on each objective of one picture.

    Arguments:
        found: the pictures.
        model: the network that was asked.
        copies: random shifts of each.
        draws: networks with shuffled weights; 0 leaves them out.
        seed: of the draws.
    """
    from sonde.vision.render import best_starts, climbed

    for name, value, least in (("copies", copies, 2), ("draws", draws, 0)):
        if not isinstance(value, int) or value < least or (name == "draws" and value == 1):
            raise InputError(f"{name}={shown(value)}: give a number of {max(least, 2)} or more{' or 0' if name == 'draws' else ''}")
    alone = [i for i, one in enumerate(found.objectives) if one.pictures == 1]
    objectives = [found.objectives[i] for i in alone]
    own = [found.group.index(i) for i in alone]
    pictures = found.pictures[own]
    others = []
    for draw in range(draws if alone else 0):
        broken = Model(permuted(model.module, seed=seed + draw), name=model.name)
        for name, basis in model.bases.items():
            site, _, short = name.rpartition(".")
            broken = broken.attach(site, basis, short)
        setting = replace(found.setting, snapshots=(), restarts=1)
        ends = climbed(broken, objectives, setting, seed + draw, BATCH, Pieces(), False)
        others.append(best_starts(broken, objectives, setting, ends, BATCH)[0].pictures)
    verdicts = []
    for place, objective in enumerate(objectives):
        generator = torch.Generator().manual_seed(seed)
        rows, cols = pictures.shape[2:]
        shift = max(1, round(SHIFT * min(rows, cols)))
        maps = chained((Pad(shift), Jitter(2 * shift)), copies, (rows, cols), generator)
        shifted = _values(model, found, objective, sampled(pictures[place].expand(copies, -1, -1, -1), *maps))
        scrambled = _values(model, found, objective, sampled(_scrambled(pictures[place], copies, generator), *maps))
        verdicts.append(_kept(objective, float(found.reached[own[place]]), shifted, scrambled))
        if others:
            control = torch.stack([_values(model, found, objective, sampled(one[place].expand(copies, -1, -1, -1), *maps)) for one in others])
            verdicts.append(
                compare(
                    f"The picture of {objective.name} comes from what the network learnt: pictures sought for shuffled weights excite it less.",
                    CHECKED, shifted, control, threshold=0.0, threshold_source="above zero",
                )
            )  # fmt: skip
    return verdicts


def dreamt(found: "Dream", model: Model, draws: int, seed: int) -> list[Verdict]:
    """The verdict on a dream: what was added raises the objective more than as much change of the same spectrum.

    Arguments:
        found: the dream.
        model: the network that was asked.
        draws: random changes.
        seed: of the draws.
    """
    claim, measure = f"What was added to the picture is what {found.name} sees.", "rise of the objective"
    if not found.moved:
        return [untestable(claim, measure, "no gradient reached the picture, so nothing was added", threshold=0.0, threshold_source="above zero")]
    generator = torch.Generator().manual_seed(seed)
    random = (found.before + _scrambled(found.after - found.before, draws, generator)).clamp(0, 1)
    before, after = found.reached
    values, _ = asked(model, [found.objective] * draws, random, found.normalise, BATCH, view_of(model))
    rise = torch.full((draws,), after - before)
    return [compare(claim, measure, rise, values - before, threshold=0.0, threshold_source="above zero")]


def _kept(objective: Objective, reached: float, shifted: Float[Tensor, " copy"], scrambled: Float[Tensor, " copy"]) -> Verdict:
    claim = f"The picture of {objective.name} excites it wherever it lies, and its spectrum alone does not."
    measure = "share of the unmoved picture's value under a random shift"
    threshold, source = SHARE, "a shift may cost a fifth"
    if reached <= 0:
        return untestable(
            claim, measure, f"the picture reached {reached:.3g}, of which there are no shares", threshold=threshold, threshold_source=source
        )
    return compare(claim, measure, shifted / reached, scrambled / reached, threshold=threshold, threshold_source=source)


def _values(model: Model, found: "Visualisation", objective: Objective, pictures: Tensor) -> Float[Tensor, " picture"]:
    return asked(model, [objective] * len(pictures), pictures, found.setting.normalise, BATCH, view_of(model))[0]


def _scrambled(picture: Float[Tensor, "channel row col"], n: int, generator: torch.Generator) -> Float[Tensor, "n channel row col"]:
    """Pictures with the same amplitudes of every frequency, the same colours of each, and random phases; clipped to 0 to 1 where the picture is."""
    rows, cols = picture.shape[1:]
    spectrum = torch.fft.rfft2(picture)
    noise = torch.rand(n, 1, rows, cols, generator=generator)
    phases = torch.fft.rfft2(noise - noise.mean((-2, -1), keepdim=True))  # of a real picture, so that the result is one
    phases = phases / phases.abs().clamp(min=1e-12)
    phases[..., 0, 0] = 1
    made = torch.fft.irfft2(spectrum[None] * phases, s=(rows, cols))
    return made.clamp(0, 1) if float(picture.min()) >= 0 else made
