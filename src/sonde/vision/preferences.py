"""Do units prefer some stimuli to others of the same sweep, such as curves to straight lines? Filters in random order prefer some, too.

    preference = (a - b) / s

with a and b the answers to the best of either kind, as found on the stimuli as they are, and measured on their eight shifts by one pixel; s is the
deviation of the unit's answers to all of the stimuli, so that units and shuffled copies of any size are held to one measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.jobs import track
from sonde.nn import filters_permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import violins
from sonde.vision.layers import site_of
from sonde.vision.tuning import SHIFTS, Tuning, responses

if TYPE_CHECKING:
    from polars import DataFrame

LEAST = 8  # units, for a verdict
HIGH = 0.975


@dataclass(frozen=True, eq=False, repr=False)
class Preference(Result):
    """How much units of a layer prefer some stimuli to others, and how much shuffled filters do.

    Arguments:
        layer: of the units.
        units: by number; those that answer to all stimuli alike are left out.
        kind, other: which stimuli to which.
        value: of each unit, in deviations of its answers.
        chance: of each with its filter's entries in random order.
    """

    layer: str
    units: list[int]
    kind: str
    other: str
    value: Float[Tensor, " unit"]
    chance: Float[Tensor, "draw unit"]

    @property
    def high(self) -> float:
        """What 2.5 % of the shuffled units exceed."""
        return float(self.chance.flatten().quantile(HIGH))

    @property
    def above(self) -> list[int]:
        """The units that exceed it: 2.5 % of all are expected by chance."""
        return [unit for unit, value in zip(self.units, self.value.tolist(), strict=True) if value > self.high]

    def to_frame(self) -> "DataFrame":
        """One row per unit: its preference, and the mean of its shuffled copies'."""
        import polars as pl

        return pl.DataFrame({"unit": self.units, "preference": self.value.tolist(), "shuffled": self.chance.mean(0).tolist()})

    def drawing(self) -> Drawing:
        """How preferences are spread, in the network and in shuffled ones."""
        note = f"{len(self.above)} of {len(self.units)} units lie above what 2.5 % of the shuffled ones exceed."
        title = f"Do units of {self.layer} prefer {self.kind} to {self.other}?"
        return violins(title, "deviations", ["as learnt", "shuffled filters"], [self.value.tolist(), self.chance.flatten().tolist()], note=note)

    def check(self, model: Model) -> list[Verdict]:
        """Test whether the units of the layer prefer the one kind by what they learnt, beside those with shuffled filters.

        Arguments:
            model: the network that was asked.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        claim = f"Units of {self.layer} prefer {self.kind} to {self.other} by what they learnt: shuffled filters do so less."
        measure, source = "best answer to the one kind less that to the other, on shifted stimuli, in deviations", "above zero"
        if len(self.units) < LEAST:
            reason = f"{len(self.units)} units that answer say too little; at least {LEAST} are needed"
            return [untestable(claim, measure, reason, threshold=0.0, threshold_source=source)]
        return [compare(claim, measure, self.value, self.chance, threshold=0.0, threshold_source=source, exceeding="draw")]


def preference(
    found: Tuning, model: Model, across: Sequence[float], over: Sequence[float], *, draws: int = 8, seed: int = 0, batch_size: int = 64,
    progress: bool = False,
) -> Preference:  # fmt: skip
    """Measure how much units prefer some values of the other property to others, and how much their shuffled copies do.

    Arguments:
        found: answers to stimuli over both kinds, such as curves of several radii, `math.inf` (a straight line) among them.
        model: the network that was asked.
        across: the values that may be preferred.
        over: those that are not.
        draws: shuffled copies, at least 2.
        seed: of the orders.
        batch_size: pictures at once.
        progress: show a bar.

    Raises:
        CheckRefused: the model is another one.
        InputError: values that were not swept, or the same on both sides, or no unit that answers.

    >>> import math, sonde
    >>> from sonde.vision import curves, tuning
    >>> model, stimuli = sonde.load("specimen:digits"), curves(8, [2.0, math.inf], range(0, 360, 45), channels=1)
    >>> found = tuning(model, "blocks.0.act", stimuli, [5, 8], normalise="none")
    >>> preference(found, model, [2.0], [math.inf], draws=2).chance.shape
    torch.Size([2, 2])
    """
    found.refuse_other(model)
    known = list(found.stimuli.across_at)
    for name, values in (("across", across), ("over", over)):
        if not len(values) or any(float(one) not in known for one in values):
            raise InputError(f"{name}={shown(values)}: name values of the {found.stimuli.across} that were swept, {shown(known)}")
    kinds = [[known.index(float(one)) for one in values] for values in (across, over)]
    if set(kinds[0]) & set(kinds[1]):
        raise InputError(f"across={shown(across)} and over={shown(over)} share a value: nothing is preferred to itself")
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    rows = [i for i, one in enumerate(found.response) if float(one.max()) > float(one.min())]
    if not rows:
        raise InputError(f"no unit of {found.layer} answers to any of these stimuli: show others, or ask before the rectifier")
    chosen, site = [found.units[i] for i in rows], site_of(model, found.layer)
    own = _preferences(model, site, found, chosen, found.response[rows], kinds, batch_size)
    chance = []
    for draw in track(range(draws), "showing shuffled copies", shown=progress):
        broken = Model(filters_permuted(model.module, seed + draw), name=model.name)
        response = responses(broken, site, found.stimuli.pictures, found.normalise, batch_size)[chosen]
        chance.append(_preferences(broken, site, found, chosen, response, kinds, batch_size))
    words = [f"{found.stimuli.name} of {found.stimuli.across} {', '.join(f'{float(one):g}' for one in values)}" for values in (across, over)]
    arguments = {"layer": found.layer, "across": [str(one) for one in across], "over": [str(one) for one in over], "draws": draws}
    recipe = Recipe.of("sonde.vision.preference", arguments, model_hash=model.hash, inputs=[found.recipe.inputs_hash, chosen], seed=seed)
    return Preference(layer=found.layer, units=chosen, kind=words[0], other=words[1], value=own, chance=torch.stack(chance), recipe=recipe)


def _preferences(
    model: Model, site: str, found: Tuning, units: Sequence[int], response: Float[Tensor, "unit at across"], kinds: Sequence[Sequence[int]],
    batch_size: int,
) -> Float[Tensor, " unit"]:  # fmt: skip
    """Of each unit, at the best stimuli of either kind by its responses, how much more it answers to the first on shifted ones."""
    best = []
    for columns in kinds:
        place = response[:, :, list(columns)].flatten(1).argmax(1)
        best.append([(int(one) // len(columns), columns[int(one) % len(columns)]) for one in place])
    wanted = sorted({pair for pairs in best for pair in pairs})
    spread = response.flatten(1).std(1).clamp(min=1e-30)
    where = {pair: i for i, pair in enumerate(wanted)}
    some = torch.stack([found.stimuli.pictures[at, across] for at, across in wanted])[:, None]
    kept = []
    for shift in SHIFTS:
        answers = responses(model, site, some.roll(shift, (-2, -1)), found.normalise, batch_size)[list(units), :, 0]
        first, second = (torch.stack([answers[i, where[pair]] for i, pair in enumerate(pairs)]) for pairs in best)
        kept.append((first - second) / spread)
    return torch.stack(kept).mean(0)
