"""Is a unit's answer caused by the property that we named? Its responses to drawn stimuli, over the whole range of the property.

    R[unit, at, across] = largest over repeats of the unit's activation at the middle of its map

The height above the middle response, max - median along the swept property, says how tuned it is; the width of a peak alone does not (a narrow
peak on a high ground, or the noise of shuffled weights, has a small circular variance as well).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.sites import Site
from sonde.evidence import compare, corrected, untestable
from sonde.jobs import Pieces, track
from sonde.nn import filters_permuted
from sonde.results import Drawing, InputError, Recipe, Result, SiteUnavailable, Verdict, content_hash, shown
from sonde.results.drawing import Series, lines, matrix, rose
from sonde.vision.fields import receptive_field
from sonde.vision.layers import refuse_others, site_of
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.reading import maps_of
from sonde.vision.sentences import sentences
from sonde.vision.stimuli import Stimuli

if TYPE_CHECKING:
    from polars import DataFrame

MOST_LINES = 8
SHIFTS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(Result):
    """How units answer to stimuli over a grid of two properties.

    Arguments:
        layer: of the units.
        units: by number.
        stimuli: what was shown.
        normalise: what was done to them before the network saw them.
        response: of each unit to each stimulus.
        blank: to grey alone.
        inverted: to each unit's preferred stimulus with bright and dark exchanged.
        notes: what was decided or found on the way.
    """

    layer: str
    units: list[int]
    stimuli: Stimuli
    normalise: Normalisation
    response: Float[Tensor, "unit at across"]
    blank: Float[Tensor, " unit"]
    inverted: Float[Tensor, " unit"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def preferred(self, unit: int) -> tuple[int, int]:
        """The numbers of the swept and of the other property at which a unit answers most; of equal answers the first."""
        return divmod(int(self.response[self._row(unit)].flatten().argmax()), len(self.stimuli.across_at))

    def curve(self, unit: int) -> Float[Tensor, " at"]:
        """A unit's answers along the swept property, at its preferred other one."""
        return self.response[self._row(unit), :, self.preferred(unit)[1]]

    def height(self, unit: int) -> float:
        """How far a unit's curve rises above its median."""
        curve = self.curve(unit)
        return float(curve.max() - curve.quantile(0.5))

    def width(self, unit: int) -> float:
        """The full width of a unit's peak at half its height above the median; NaN of a unit that is not tuned, or whose peak meets an end."""
        curve, at = self.curve(unit), self.stimuli.at
        middle, top, n = float(curve.quantile(0.5)), int(curve.argmax()), len(at)
        half = (float(curve.max()) + middle) / 2
        if float(curve.max()) <= middle or n < 3:
            return math.nan
        sides = []
        for step in (-1, 1):
            gone = 0.0
            for i in range(1, n):
                here, there = top + step * (i - 1), top + step * i
                if not self.stimuli.period and not 0 <= there < n:
                    return math.nan
                a, b = float(curve[here % n]), float(curve[there % n])
                gap = abs(at[there % n] - at[here % n])
                gap = min(gap, self.stimuli.period - gap) if self.stimuli.period else gap
                if b <= half:
                    sides.append(gone + gap * (a - half) / (a - b))
                    break
                gone += gap
        return sum(sides) if len(sides) == 2 else math.nan

    def mean(self, unit: int) -> float:
        """The circular mean of the swept property, weighted by what of the curve exceeds its median; NaN where the property does not come round."""
        curve, period = self.curve(unit).double(), self.stimuli.period
        over = (curve - curve.quantile(0.5)).clamp(min=0)
        if not period or not float(over.sum()):
            return math.nan
        turn = torch.tensor(self.stimuli.at, dtype=torch.float64) * (2 * math.pi / period)
        return math.atan2(float((over * turn.sin()).sum()), float((over * turn.cos()).sum())) % (2 * math.pi) * period / (2 * math.pi)

    def to_frame(self) -> "DataFrame":
        """One row per unit: what it prefers, how high and how wide its peak is, and its answers to grey and to the inverted stimulus."""
        import polars as pl

        rows = []
        for i, unit in enumerate(self.units):
            at, across = self.preferred(unit)
            width, mean = self.width(unit), self.mean(unit)
            rows.append(
                {
                    "unit": unit, "preferred": self.stimuli.at[at], "circular_mean": None if math.isnan(mean) else mean,
                    "across": self.stimuli.across_at[across], "peak": float(self.response[i, at, across]), "height": self.height(unit),
                    "width": None if math.isnan(width) else width, "blank": float(self.blank[i]), "inverted": float(self.inverted[i]),
                }
            )  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def drawing(self) -> Drawing:
        """What goes round as a small rose for each of the eight units that rise highest (all of them if there are fewer), anything else as lines."""
        at, period = self.stimuli.at, self.stimuli.period
        round_about = period > 0 and abs(360 / period - round(360 / period)) < 1e-6 and max(at) - min(at) < period and sorted(at) == list(at)
        if not round_about:
            return self.lines()
        title, series, note = self._best()
        return rose(title, "activation", self.stimuli.axis, at, series, period=period, note=note)

    def lines(self) -> Drawing:
        """The curves of the eight units that rise highest, or of all if there are fewer, side by side on one scale."""
        title, series, note = self._best()
        return lines(title, "activation", self.stimuli.axis, [f"{one:g}" for one in self.stimuli.at], series, note=note)

    def together(self, units: Sequence[int]) -> Drawing:
        """The curves of some units, such as the members of a family, in one rose, each as a share of its own largest size.

        Arguments:
            units: at most eight of those that were asked.

        Raises:
            InputError: a unit that was not asked, none or too many, or stimuli that do not go round.
        """
        if not 1 <= len(units) <= MOST_LINES:
            raise InputError(f"units={shown(units)}: from 1 to {MOST_LINES} curves can be told apart in one rose")
        if not self.stimuli.period:
            raise InputError(f"{self.stimuli.name} over {self.stimuli.axis} don't go round: draw lines()")
        curves = [self.curve(unit) for unit in units]
        series = [Series(f"{self.layer}:{unit}", one / one.abs().max().clamp(min=1e-30)) for unit, one in zip(units, curves, strict=True)]
        title = f"Which {self.stimuli.name} do they answer to?"
        return rose(title, "share of its largest", self.stimuli.axis, self.stimuli.at, series, period=self.stimuli.period, together=True)

    def _best(self) -> tuple[str, list[Series], str]:
        best = sorted(self.units, key=lambda unit: -self.height(unit))[:MOST_LINES]
        notes = [f"the {MOST_LINES} of {len(self.units)} units that rise highest"] if len(self.units) > MOST_LINES else []
        note = sentences([*notes, *self.notes])
        return f"Which {self.stimuli.name} do they answer to?", [Series(f"{self.layer}:{unit}", self.curve(unit)) for unit in best], note

    def map(self, unit: int) -> Drawing:
        """All answers of a unit.

        Arguments:
            unit: by number.
        """
        rows, cols = [f"{one:.3g}" for one in self.stimuli.across_at], [f"{one:g}" for one in self.stimuli.at]
        return matrix(
            f"Which {self.stimuli.name} does {self.layer}:{unit} answer to?", "activation", self.response[self._row(unit)].T,
            row_name=self.stimuli.across, rows=rows, col_name=self.stimuli.axis, cols=cols,
        )  # fmt: skip

    def check(self, model: Model, units: Sequence[int] | None = None, draws: int = 8, seed: int = 0, batch_size: int = 64) -> list[Verdict]:
        """Test whether units are tuned by what they learnt: beside the same filters with their entries in random order.

        What a unit prefers is found on the stimuli as they are, and its height measured on the eight shifts of them by one pixel; in the same way
        for each shuffled copy. The more units are tested together, the wider are the intervals (Holm's correction), so that the verdict on any
        one of them is as sure as if it stood alone.

        Arguments:
            model: the network that was asked.
            units: of the asked ones; the eight that rise highest by default.
            draws: shuffled copies, at least 2.
            seed: of the orders.
            batch_size: pictures at once.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        if not isinstance(draws, int) or draws < 2:
            raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
        chosen = sorted(self.units, key=lambda unit: -self.height(unit))[:MOST_LINES] if units is None else list(units)
        rows = [self._row(unit) for unit in chosen]
        site = site_of(model, self.layer)
        own = _heights(model, site, self, chosen, self.response[rows], batch_size)
        others = []
        for draw in range(draws):
            broken = Model(filters_permuted(model.module, seed + draw), name=model.name)
            response = responses(broken, site, self.stimuli.pictures, self.normalise, batch_size)[chosen]
            others.append(_heights(broken, site, self, chosen, response, batch_size))
        control = torch.stack(others)
        verdicts = []
        for i, unit in enumerate(chosen):
            claim = f"{self.layer}:{unit} is tuned to the {self.stimuli.axis} of {self.stimuli.name} by what it learnt: shuffled filters rise less."
            measure, threshold, source = "height above the median, on shifted stimuli", 0.0, "above zero"
            if self.height(unit) <= 0:
                reason = "it answers to all of these stimuli alike"
                verdicts.append(untestable(claim, measure, reason, threshold=threshold, threshold_source=source))
            else:
                verdicts.append(compare(claim, measure, own[i], control[:, i], threshold=threshold, threshold_source=source, exceeding="draw"))
        return corrected(verdicts)

    def _row(self, unit: int) -> int:
        if unit not in self.units:
            raise InputError(f"unit {unit!r} was not asked for: there are {len(self.units)} units, from {self.units[0]} to {self.units[-1]}")
        return self.units.index(unit)


def tuning(
    model: Model, layer: str, stimuli: Stimuli, units: Sequence[int] | None = None, *, normalise: Normalisation | str | None = None,
    batch_size: int = 64, folder: str | Path | None = None, progress: bool = False,
) -> Tuning:  # fmt: skip
    """Measure how units answer to drawn stimuli, at the middle of their maps.

    Arguments:
        model: a network of pictures.
        layer: a module's path or a site.
        stimuli: such as `curves`, `gratings`, `bars` and `colours` draw, or one's own.
        units: of the layer; all of them by default.
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        batch_size: pictures at once.
        folder: keep finished parts there; a sweep that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: no stimuli, no such unit, pictures that the network can't take, a normalisation that nobody stated.
        UnknownSite: no such layer.

    >>> import sonde
    >>> from sonde.vision import gratings
    >>> found = tuning(sonde.load("specimen:digits"), "blocks.0.act", gratings(8, [1 / 4], channels=1), [3], normalise="none")
    >>> found.response.shape
    torch.Size([1, 36, 1])
    """
    refuse_others(model)
    if not isinstance(stimuli, Stimuli):
        raise InputError(f"{shown(stimuli)} are no stimuli: give sonde.vision.gratings(size), or sonde.vision.Stimuli with pictures of your own")
    means, site = normalisation(model, normalise), site_of(model, layer)
    model.locate(Site.parse(site).name)
    recipe = Recipe.of("sonde.vision.tuning", {"layer": layer, "units": None if units is None else list(units), "stimuli": stimuli.name,
                       "normalise": str(means)}, model_hash=model.hash, inputs=[stimuli.pictures, stimuli.at, stimuli.across_at])  # fmt: skip
    pieces = Pieces(folder, content_hash([site, str(means), recipe.model_hash, recipe.inputs_hash]))
    grey = torch.full_like(stimuli.pictures[0, 0, :1], 0.5)
    blank = _middle(maps_of(model, site, means(grey)))[0]
    if units is not None:
        for unit in units:
            if not isinstance(unit, int) or not 0 <= unit < len(blank):
                raise InputError(f"there is no unit {shown(unit)} at {layer!r}: it has {len(blank)}")
        if not len(units) or len(set(units)) < len(units):
            raise InputError(f"units={shown(units)}: name some, each once")
    chosen = list(range(len(blank))) if units is None else list(units)
    parts = [
        pieces(f"{stimuli.axis} {i}", partial(responses, model, site, stimuli.pictures[i : i + 1], means, batch_size))
        for i in track(range(len(stimuli.at)), "showing stimuli", shown=progress)
    ]
    response = torch.cat(parts, 1)[chosen]
    best = response.flatten(1).argmax(1)
    width = len(stimuli.across_at)
    which = {int(one): i for i, one in enumerate(best.unique())}
    flipped = torch.stack([1 - stimuli.pictures[one // width, one % width] for one in which])
    upside = responses(model, site, flipped[:, None], means, batch_size)
    inverted = torch.stack([upside[unit, which[int(one)], 0] for unit, one in zip(chosen, best, strict=True)])
    notes = []
    size = (stimuli.pictures.shape[-2], stimuli.pictures.shape[-1])
    field = receptive_field(model, site, stimuli.pictures.shape[3], size)
    top, left, bottom, right = field.box(field.places[0] // 2, field.places[1] // 2)
    if (top, left, bottom, right) != (0, 0, *size):
        notes.append(f"the unit in the middle sees {bottom - top} x {right - left} pixels of {size[0]} x {size[1]}: what lies outside can't matter")
    if silent := [unit for unit, one in zip(chosen, response, strict=True) if float(one.max()) == float(one.min())]:
        rest = f" and {len(silent) - 8} more" if len(silent) > 8 else ""
        notes.append(f"{'units' if len(silent) > 1 else 'unit'} {', '.join(map(str, silent[:8]))}{rest} answered to all of them alike")
    return Tuning(
        layer=layer, units=chosen, stimuli=stimuli, normalise=means, response=response, blank=blank[chosen], inverted=inverted, notes=tuple(notes),
        recipe=recipe,
    )  # fmt: skip


def _middle(maps: Float[Tensor, "picture unit *place"]) -> Float[Tensor, "picture unit"]:
    if maps.ndim not in (2, 4):
        raise SiteUnavailable("this layer has neither units nor maps of units")
    return maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2] if maps.ndim == 4 else maps


def responses(
    model: Model, site: str, pictures: Float[Tensor, "at across repeat channel row col"], normalise: Normalisation, batch_size: int
) -> Float[Tensor, "unit at across"]:  # fmt: skip
    """The largest answers over repeats."""
    shown_ones = pictures.flatten(0, 2)
    answers = torch.cat([_middle(maps_of(model, site, normalise(part))) for part in shown_ones.split(batch_size)])
    return answers.unflatten(0, pictures.shape[:3]).amax(2).permute(2, 0, 1)


def _heights(
    model: Model, site: str, found: Tuning, units: Sequence[int], response: Float[Tensor, "unit at across"], batch_size: int
) -> Float[Tensor, "unit shift"]:  # fmt: skip
    """Of each unit, at what it prefers by its responses, the answer above the median on shifted stimuli."""
    best = response.flatten(1).argmax(1)
    at, across = best // response.shape[2], best % response.shape[2]
    columns = across.unique()
    heights = []
    for shift in SHIFTS:
        shifted = found.stimuli.pictures[:, columns].roll(shift, (-2, -1))
        answers = responses(model, site, shifted, found.normalise, batch_size)[list(units)]
        own = torch.stack([answers[i, :, int((columns == across[i]).nonzero())] for i in range(len(units))])
        heights.append(own.gather(1, at[:, None])[:, 0] - own.quantile(0.5, 1))
    return torch.stack(heights, 1)
