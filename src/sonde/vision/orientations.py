"""Do drawn stimuli and real pictures tell the same? The orientation that a unit prefers in gratings, beside that of the pictures that excite it most.

The orientation of a crop is that of its structure tensor (Bigün & Granlund 1987): of the gradients g over the crop, with x to the right and y up,

    J = sum g g^T,    angle = atan2(2 Jxy, Jxx - Jyy) / 2,    coherence = sqrt((Jxx - Jyy)^2 + 4 Jxy^2) / (Jxx + Jyy)

the angle is that across the edges, as of a grating's waves. A unit's is the mean over its crops, doubled, since half a turn is none, and weighted by
coherence. Units agree by cos 2(a - b): 1 where both are the same, -1 across, 0 on average by chance; chance is other units' pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Points, Series, rose, scatter
from sonde.vision.example_results import DatasetExamples
from sonde.vision.tuning import Tuning

if TYPE_CHECKING:
    from polars import DataFrame

BINS = 12  # of a rose of examples
MOST_ROSES = 8
LEAST = 8


@dataclass(frozen=True, eq=False, repr=False)
class Orientations(Result):
    """The orientation of what units see where they answer most.

    Arguments:
        layer: of the units.
        units: by number.
        angle: across the edges of each crop, in degrees from 0 to 180, from the right against the clock; NaN where there is no crop.
        coherence: of each crop, from 0, no direction more than others, to 1.
    """

    layer: str
    units: list[int]
    angle: Float[Tensor, "unit example"]
    coherence: Float[Tensor, "unit example"]

    def mean(self, unit: int) -> float:
        """A unit's angle: the mean of its crops' by coherence; NaN of a unit whose crops have none.

        Arguments:
            unit: by number.
        """
        return self._mean(unit)[0]

    def concentration(self, unit: int) -> float:
        """How far a unit's crops agree: from 0, all ways alike, to 1, all the same.

        Arguments:
            unit: by number.
        """
        return self._mean(unit)[1]

    def to_frame(self) -> "DataFrame":
        """One row per unit: the mean angle of its crops, how far they agree, their mean coherence, and how many they are."""
        import polars as pl

        rows = []
        for i, unit in enumerate(self.units):
            (angle, agreed), known = self._mean(unit), self.angle[i].isfinite()
            rows.append(
                {
                    "unit": unit, "angle": None if math.isnan(angle) else angle, "concentration": None if math.isnan(agreed) else agreed,
                    "coherence": float(self.coherence[i, known].mean()) if bool(known.any()) else None, "crops": int(known.sum()),
                }
            )  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def drawing(self) -> Drawing:
        """How much of the crops' coherence lies at which angle: a small rose for each of the eight units whose crops agree most."""
        best = sorted(self.units, key=lambda unit: -self.concentration(unit) if self.concentration(unit) > 0 else 0.0)[:MOST_ROSES]
        series = [Series(f"{self.layer}:{unit}", self.shares(unit)) for unit in best]
        note = f"The {MOST_ROSES} of {len(self.units)} units whose pictures agree most." if len(self.units) > len(best) else ""
        angles = [i * 180 / BINS for i in range(BINS)]
        return rose("Which way do the edges lie where they answer most?", "share", "angle in degrees", angles, series, period=180.0, note=note)

    def shares(self, unit: int, bins: int = BINS) -> Float[Tensor, " bin"]:
        """The share of the crops' coherence within half a step of each of evenly spaced angles.

        Arguments:
            unit: by number.
            bins: how many angles, from 0.
        """
        i = self._row(unit)
        known = self.angle[i].isfinite()
        place = (self.angle[i, known] * (bins / 180)).round().long() % bins
        held = torch.zeros(bins).index_add(0, place, self.coherence[i, known].float())
        return held / held.sum().clamp(min=1e-30)

    def _mean(self, unit: int) -> tuple[float, float]:
        i = self._row(unit)
        known = self.angle[i].isfinite()
        weight, turn = self.coherence[i, known].double(), self.angle[i, known].double().deg2rad() * 2
        if not float(weight.sum()):
            return math.nan, math.nan
        right, up = float((weight * turn.cos()).sum()), float((weight * turn.sin()).sum())
        return math.degrees(math.atan2(up, right)) / 2 % 180, math.hypot(right, up) / float(weight.sum())

    def _row(self, unit: int) -> int:
        if unit not in self.units:
            raise InputError(f"unit {unit!r} was not asked for: there are {len(self.units)} units, from {self.units[0]} to {self.units[-1]}")
        return self.units.index(unit)


def orientations(found: DatasetExamples, most: int = 20) -> Orientations:
    """Find how the edges lie in the pictures that excite units most, cut to what the unit sees.

    Arguments:
        found: the pictures; its pictured units are taken.
        most: how many of the largest, at most.

    Raises:
        InputError: no examples, or none that are pictured.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> from sonde.vision import dataset_examples
    >>> found = dataset_examples(sonde.load("specimen:digits"), held_out()[0][:64], "blocks.0.act", [3], normalise="none", top=8)
    >>> orientations(found).angle.shape
    torch.Size([1, 8])
    """
    if not isinstance(found, DatasetExamples):
        raise InputError(f"{shown(found)} are no dataset examples: give what sonde.vision.dataset_examples returns")
    if not found.pictured:
        raise InputError("no unit's pictures are kept: ask for examples with pictured=")
    if not isinstance(most, int) or most < 1:
        raise InputError(f"most={shown(most)}: give a number of 1 or more")
    width = min(most, found.most.number.shape[1])
    angle, coherence = torch.full((len(found.pictured), width), torch.nan), torch.zeros(len(found.pictured), width)
    for i, unit in enumerate(found.pictured):
        for one in found.drawn(unit):
            if one.kind == "most" and one.rank < width and one.value > 0:
                angle[i, one.rank], coherence[i, one.rank] = oriented(found.crops[one.key].float() / 255)
    recipe = Recipe.of("sonde.vision.orientations", {"layer": found.layer, "most": most}, model_hash=found.recipe.model_hash,
                       inputs=[found.recipe.inputs_hash, found.pictured])  # fmt: skip
    return Orientations(layer=found.layer, units=list(found.pictured), angle=angle, coherence=coherence, recipe=recipe)


def oriented(picture: Float[Tensor, "channel row col"]) -> tuple[float, float]:
    """The angle across the edges of a picture, in degrees from 0 to 180, and how much they agree; NaN and 0 of a plain one.

    Arguments:
        picture: any.

    >>> oriented(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]))
    (0.0, 1.0)
    """
    grey = picture.double().mean(0)
    if min(grey.shape) < 2:
        return math.nan, 0.0
    # between four pixels each, so that both differences are of the same place
    right = (grey[:, 1:] - grey[:, :-1])[1:] + (grey[:, 1:] - grey[:, :-1])[:-1]
    up = (grey[:-1] - grey[1:])[:, 1:] + (grey[:-1] - grey[1:])[:, :-1]
    xx, yy, xy = float((right * right).sum()), float((up * up).sum()), float((right * up).sum())
    if xx + yy <= 1e-12:
        return math.nan, 0.0
    return math.degrees(math.atan2(2 * xy, xx - yy)) / 2 % 180, math.hypot(xx - yy, 2 * xy) / (xx + yy)


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """Whether units prefer in stimuli what their pictures show.

    Arguments:
        layer: of the units.
        units: by number.
        preferred: the angle of the stimuli that each answers to most, the mean of its curve, in degrees.
        pictured: the angle of the pictures that excite it most.
        curves: its answers to the stimuli, and at which angles.
        at: in degrees.
        shares: of its pictures' coherence, at the same angles.
    """

    layer: str
    units: list[int]
    preferred: Float[Tensor, " unit"]
    pictured: Float[Tensor, " unit"]
    curves: Float[Tensor, "unit at"]
    at: list[float]
    shares: Float[Tensor, "unit at"]

    @property
    def apart(self) -> Float[Tensor, " unit"]:
        """The angle between both, from 0 to 90 degrees; 45 on average by chance."""
        return ((self.preferred - self.pictured + 90) % 180 - 90).abs()

    @property
    def score(self) -> float:
        """The mean of cos 2(preferred - pictured)."""
        return float(_alike(self.preferred, self.pictured).mean())

    def by_chance(self, draws: int = 1000, seed: int = 0) -> tuple[float, Float[Tensor, " draw"]]:
        """The share of random assignments of pictures to units that agree at least as well, the true one among them, and their scores.

        Arguments:
            draws: assignments.
            seed: of them.
        """
        scores = torch.stack([one.mean() for one in _assigned(self.preferred, self.pictured, draws, seed)])
        return (1 + int((scores >= self.score).sum())) / (draws + 1), scores

    def to_frame(self) -> "DataFrame":
        """One row per unit: both angles, and how far they are apart."""
        import polars as pl

        columns = {"preferred": self.preferred, "pictured": self.pictured, "apart": self.apart}
        return pl.DataFrame({"unit": self.units, **{name: one.tolist() for name, one in columns.items()}})

    def drawing(self) -> Drawing:
        """Each unit's angle in pictures over its angle in stimuli."""
        # an angle just above 0 is one just below 180: each is drawn where it is nearest to the diagonal
        near = self.preferred + ((self.pictured - self.preferred + 90) % 180 - 90)
        share, chance = self.by_chance()
        note = (
            f"Apart by {float(self.apart.mean()):.3g} degrees on average, 45 by chance; cos 2(a - b) is {self.score:.2f}, with other units' "
            f"pictures {float(chance.mean()):.2f}, and as high in a share of {share:.2g}. Angles are drawn within a quarter turn of the diagonal."
        )
        points = Points("units", self.preferred, near, labels=[f"{self.layer}:{unit}" for unit in self.units])
        return scatter("Do pictures show what stimuli say?", "degrees, in stimuli", "degrees, in pictures", [points], diagonal="the same", note=note)

    def roses(self, unit: int) -> Drawing:
        """A unit's answers to stimuli, as a share of the largest, and how its pictures lie, as a share of the most.

        Arguments:
            unit: by number.
        """
        if unit not in self.units:
            raise InputError(f"unit {shown(unit)} is not among the {len(self.units)} that were compared")
        i = self.units.index(unit)
        both = [Series(name, one / one.abs().max().clamp(min=1e-30)) for name, one in (("stimuli", self.curves[i]), ("pictures", self.shares[i]))]
        title = f"Do pictures show what stimuli say of {self.layer}:{unit}?"
        return rose(title, "share of its largest", "angle in degrees", self.at, both, period=180.0, together=True)

    def check(self, model: Model, draws: int = 100, seed: int = 0) -> list[Verdict]:
        """Test whether both agree better than with the pictures of other units.

        Arguments:
            model: the network that was asked.
            draws: random assignments of pictures to units.
            seed: of them.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        claim = f"Units of {self.layer} are excited by pictures that lie as the gratings do to which they answer."
        measure = "cos 2(preferred - pictured)"
        if len(self.units) < LEAST:
            reason = f"{len(self.units)} units say too little; at least {LEAST} are needed"
            return [untestable(claim, measure, reason, threshold=0.0, threshold_source="above zero")]
        control = torch.stack(_assigned(self.preferred, self.pictured, draws, seed))
        own = _alike(self.preferred, self.pictured)
        return [compare(claim, measure, own, control, threshold=0.0, threshold_source="above zero", exceeding="draw")]


def agreement(found: Tuning, examples: Orientations, units: Sequence[int] | None = None) -> Agreement:
    """Hold the orientation that units prefer in stimuli beside that of the pictures that excite them most.

    Arguments:
        found: answers to stimuli of which the orientation is swept, such as gratings or bars.
        examples: the orientations of pictures for the same layer.
        units: which, such as those that hold `Tuning.check`; by default all that are in both.

    Raises:
        InputError: stimuli without an orientation, another layer, or no unit in both that has a tuning and crops.
    """
    if found.stimuli.period != 180:
        raise InputError(f"{found.stimuli.name} don't come round after half a turn: an orientation needs gratings, bars or the like")
    if (found.layer, found.recipe.model_hash) != (examples.layer, examples.recipe.model_hash):
        raise InputError(
            f"the stimuli were shown to {found.layer}, and the pictures to {examples.layer}, of the same model or another: ask both of one layer"
        )
    both = [unit for unit in found.units if unit in examples.units] if units is None else list(units)
    told = {unit: (found.mean(unit), examples.mean(unit)) for unit in both}
    kept = [unit for unit, (one, other) in told.items() if not math.isnan(one + other)]
    if not kept:
        raise InputError("no unit has both a tuning and crops with edges: ask for examples with pictured= of the units that were tuned")
    bins = len(found.stimuli.at)
    arguments = {"layer": found.layer, "units": kept}
    recipe = Recipe.of("sonde.vision.agreement", arguments, model_hash=found.recipe.model_hash,
                       inputs=[found.recipe.inputs_hash, examples.recipe.inputs_hash])  # fmt: skip
    return Agreement(
        layer=found.layer, units=kept, preferred=torch.tensor([told[unit][0] for unit in kept]),
        pictured=torch.tensor([told[unit][1] for unit in kept]), curves=torch.stack([found.curve(unit) for unit in kept]), at=list(found.stimuli.at),
        shares=torch.stack([examples.shares(unit, bins) for unit in kept]), recipe=recipe,
    )  # fmt: skip


def _alike(one: Float[Tensor, " unit"], other: Float[Tensor, " unit"]) -> Float[Tensor, " unit"]:
    return (2 * (one - other).double().deg2rad()).cos()


def _assigned(preferred: Float[Tensor, " unit"], pictured: Float[Tensor, " unit"], draws: int, seed: int) -> list[Float[Tensor, " unit"]]:
    generator = torch.Generator().manual_seed(seed)
    return [_alike(preferred, pictured[torch.randperm(len(pictured), generator=generator)]) for _ in range(draws)]
