"""Which units of a layer are the same feature, turned, mirrored, of another size, hue or contrast? Families, by answers to stimuli or by weights.

Units whose closest agreement over the group exceeds the cut of their pair (`sonde.vision.aligning`: 5 % for all pairs together) are joined by average
linkage of 1 - (correlation - cut), which stops where the mean pair of two groups no longer exceeds its cut. Each member's phase is the turn that
leads to it from the family's reference, the member that agrees best with the others. (Families of one feature: Olah et al. 2020, "Naturally Occurring
Equivariance in Neural Networks".)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.nn import filters_permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import matrix, picture_grid
from sonde.vision.aligning import Element, aligned, closest, waves_of
from sonde.vision.layers import site_of
from sonde.vision.normalisation import AS_IT_IS, Normalisation
from sonde.vision.rings import rings
from sonde.vision.sentences import sentence, sentences
from sonde.vision.slices import slices
from sonde.vision.stimuli import Stimuli
from sonde.vision.tuning import Tuning, responses

if TYPE_CHECKING:
    from polars import DataFrame

NOBODY = -1
HUES = tuple(range(0, 360, 60))
LEAST = 8  # units, for a verdict


@dataclass(frozen=True, eq=False, repr=False)
class Families(Result):
    """Units that are one feature in several poses.

    Arguments:
        layer: of the units.
        by: "stimuli" or "weights".
        units: by number.
        family: the number of each unit's family, the largest first; -1 of units that stand alone.
        phase: by how many degrees (or whatever goes round) each member is turned from its family's reference, after its element; NaN of others.
        elements: the names of what else may lead from one unit to another; the first is nothing, "".
        element: which of them leads from the reference to each member, by number; -1 of others.
        correlation: of every pair at its closest, of what changes with the angle.
        cut: of every pair, what unrelated units with as smooth answers exceed with a chance of 5 %, for all pairs together.
        maxima: the largest of all pairs, in deviations, of each draw of the null.
        axis, period: what goes round, and when it comes round.
        turns: in how many steps.
        looks: a small picture of each unit, from 0 to 1: the stimulus that it prefers, or its filter.
        options: the group: "mirror", "scale", "hue", "contrast".
        stimuli: what was shown; `None` by weights.
        normalise: what was done to them.
        notes: what was decided or found on the way.
    """

    layer: str
    by: str
    units: list[int]
    family: Int[Tensor, " unit"]
    phase: Float[Tensor, " unit"]
    elements: list[str]
    element: Int[Tensor, " unit"]
    correlation: Float[Tensor, "unit other"]
    cut: Float[Tensor, "unit other"]
    maxima: Float[Tensor, " draw"]
    axis: str
    period: float
    turns: int
    looks: Float[Tensor, "unit channel row col"]
    options: list[str]
    stimuli: Stimuli | None
    normalise: Normalisation
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def count(self) -> int:
        """How many families there are."""
        return int(self.family.max()) + 1

    def members(self, family: int) -> list[int]:
        """The units of a family, ordered by what leads to them and by phase.

        Arguments:
            family: by number.

        Raises:
            InputError: there is no such family.
        """
        if not 0 <= family < self.count:
            raise InputError(f"there is no family {shown(family)}: {self.layer} has {self.count}")
        places = (self.family == family).nonzero()[:, 0].tolist()
        return [self.units[i] for i in sorted(places, key=lambda i: (int(self.element[i]), float(self.phase[i]), self.units[i]))]

    def to_frame(self) -> "DataFrame":
        """One row per unit: its family, the turn and the element that lead to it, and the unit that is most alike, with the cut of that pair."""
        import polars as pl

        others = self.correlation.clone().fill_diagonal_(-2)
        nearest = (others - self.cut).argmax(1).tolist()
        rows = []
        for i, (unit, other) in enumerate(zip(self.units, nearest, strict=True)):
            alone, partnered = int(self.family[i]) == NOBODY, len(self.units) > 1
            rows.append(
                {
                    "unit": unit, "family": None if alone else int(self.family[i]), "phase": None if alone else float(self.phase[i]),
                    "element": None if alone else self.elements[int(self.element[i])], "nearest": self.units[other] if partnered else None,
                    "correlation": float(self.correlation[i, other]) if partnered else None, "cut": float(self.cut[i, other]) if partnered else None,
                }
            )  # fmt: skip
        schema = {"unit": pl.Int64, "family": pl.Int64, "phase": pl.Float64, "element": pl.String, "nearest": pl.Int64, "correlation": pl.Float64,
                  "cut": pl.Float64}  # fmt: skip
        return pl.DataFrame(rows, schema=schema)

    def drawing(self) -> Drawing:
        """The families, a row each, their members in the order of their phases; of a layer without any the matrix of all pairs."""
        if not self.count:
            return self.pairs()
        rows = [self.members(family) for family in range(self.count)]
        width = max(map(len, rows))

        def each(of: Callable[[int], Any], empty: Any) -> list[list[Any]]:
            return [[*(of(self.units.index(unit)) for unit in row), *[empty] * (width - len(row))] for row in rows]

        what = "its preferred stimulus" if self.by == "stimuli" else "its filter"
        said = [f"Each unit by {what}, with the turn that leads to it.", *map(sentence, self.notes)]
        return picture_grid(
            f"Which units of {self.layer} are one feature, turned?", self.axis, each(lambda i: self.looks[i], None), row_name="family",
            rows=[f"{i} ({len(row)} units)" for i, row in enumerate(rows)], col_name="member", cols=[str(i + 1) for i in range(width)],
            values=each(lambda i: float(self.phase[i]), None),
            details=each(lambda i: " ".join(filter(None, (f"unit {self.units[i]}", self.elements[int(self.element[i])]))), ""), note=" ".join(said),
        )  # fmt: skip

    def pairs(self) -> Drawing:
        """How alike every pair is at its closest, families first and in order of phase, the rest after them."""
        order = [self.units.index(unit) for family in range(self.count) for unit in self.members(family)]
        order += [i for i in range(len(self.units)) if int(self.family[i]) == NOBODY]
        names = [f"{self.units[i]}" + (f" (family {int(self.family[i])})" if int(self.family[i]) >= 0 else "") for i in order]
        place, alike = torch.tensor(order), self.correlation.clone().fill_diagonal_(torch.nan)
        details = [[f"chance reaches {float(self.cut[i, j]):.2f}" if i != j else "" for j in order] for i in order]
        return matrix(
            f"How alike are units of {self.layer} at their closest?", "correlation", alike[place][:, place], row_name="unit", rows=names,
            col_name="unit", cols=[str(self.units[i]) for i in order], details=details,
            note=sentences(self.notes),
        )  # fmt: skip

    def check(self, model: Model, draws: int = 8, seed: int = 0, batch_size: int = 64) -> list[Verdict]:
        """Test whether the units are kin by what they learnt: beside the same filters with their entries in random order.

        Each unit counts by its correlation with the one that is most alike; for each shuffled copy that one is sought in the same way.

        Arguments:
            model: the network that was asked.
            draws: shuffled copies, at least 2.
            seed: of the orders.
            batch_size: pictures at once.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        if not isinstance(draws, int) or draws < 2:
            raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
        claim = f"Units of {self.layer} are alike but for a turn by what they learnt: shuffled filters find none as close."
        measure, source = "correlation with the unit that is most alike, turned", "above zero"
        if len(self.units) < LEAST:
            reason = f"{len(self.units)} units say too little; at least {LEAST} are needed"
            return [untestable(claim, measure, reason, threshold=0.0, threshold_source=source)]
        control = []
        for draw in range(draws):
            broken = Model(filters_permuted(model.module, seed + draw), name=model.name)
            if self.stimuli is None:
                values, elements = _by_weights(slices(broken, self.layer)[self.units], self.turns, self.options)[:2]
            else:
                values, elements = _by_stimuli(self._answers(broken, batch_size), self.stimuli, self.options)
            control.append(_kinship(closest(waves_of(values), values.shape[1], elements)[0]))
        own = _kinship(self.correlation)
        return [compare(claim, measure, own, torch.stack(control), threshold=0.0, threshold_source=source, exceeding="draw")]

    def _answers(self, model: Model, batch_size: int) -> Float[Tensor, "unit at across"]:
        assert self.stimuli is not None
        site, pictures = site_of(model, self.layer), self.stimuli.pictures
        shown_ones = [pictures, 1 - pictures] if "contrast" in self.options else [pictures]
        return torch.cat([responses(model, site, some, self.normalise, batch_size)[self.units] for some in shown_ones], 2)


def families(
    found: Tuning, *, mirror: bool = True, scale: bool = False, inverted: Tuning | None = None, draws: int = 200, seed: int = 0,
    progress: bool = False,
) -> Families:  # fmt: skip
    """Find the families of units by their answers to stimuli that go round.

    Arguments:
        found: their answers; what is swept is the turn (an angle, or a hue), and goes round in equal steps.
        mirror: units may be mirror images.
        scale: units may be of other sizes: the other property is shifted, by up to half of its values, which rise by equal factors.
        inverted: units may differ by contrast: their answers to the same stimuli with bright and dark exchanged (`stimuli.inverted()`).
        draws: of the null.
        seed: of the draws.
        progress: show a bar.

    Raises:
        InputError: stimuli that don't go round, sizes that don't rise by equal factors, or inverted ones that are others.

    >>> import sonde
    >>> from sonde.vision import gratings, tuning
    >>> stimuli = gratings(8, [1 / 8, 1 / 4], range(0, 180, 15), channels=1)
    >>> families(tuning(sonde.load("specimen:digits"), "blocks.0.conv", stimuli, normalise="none"), draws=20).correlation.shape
    torch.Size([16, 16])
    """
    if not isinstance(found, Tuning):
        raise InputError(f"{shown(found)} is no tuning: give what sonde.vision.tuning returns, or ask families_by_weights(model, layer)")
    options = [name for name, wanted in (("mirror", mirror), ("scale", scale), ("contrast", inverted is not None)) if wanted]
    response, stimuli = found.response, found.stimuli
    if inverted is not None:
        if (inverted.layer, inverted.units, inverted.recipe.model_hash) != (found.layer, found.units, found.recipe.model_hash) or not torch.equal(
            inverted.stimuli.pictures, 1 - stimuli.pictures
        ):
            raise InputError("inverted= is not the tuning of these units to the same stimuli, inverted: ask with stimuli.inverted()")
        response = torch.cat([response, inverted.response], 2)
    values, elements = _by_stimuli(response, stimuli, options)
    best = [divmod(int(one.flatten().argmax()), len(stimuli.across_at)) for one in found.response]
    looks = torch.stack([stimuli.pictures[at, across, 0] for at, across in best])
    arguments = {"layer": found.layer, "units": found.units, "options": options, "draws": draws}
    recipe = Recipe.of("sonde.vision.families", arguments, model_hash=found.recipe.model_hash, inputs=[response, stimuli.at], seed=seed)
    return _grouped(
        values, elements, draws, seed, progress, layer=found.layer, by="stimuli", units=found.units, axis=stimuli.axis, period=stimuli.period,
        looks=looks, options=options, stimuli=stimuli, normalise=found.normalise, recipe=recipe,
    )  # fmt: skip


def families_by_weights(
    model: Model, layer: str, units: Sequence[int] | None = None, *, mirror: bool = True, hue: bool = False, contrast: bool = False,
    angles: int | None = None, draws: int = 200, seed: int = 0, progress: bool = False,
) -> Families:  # fmt: skip
    """Find the families of units by their weights, without showing anything: filters that are the same once they are turned.

    A layer that reads other units turns with them only if those stay themselves under a turn; of the first layer this is exact.

    Arguments:
        model: a network of pictures.
        layer: the path of a convolution.
        units: of the layer; all of them by default.
        mirror: filters may be mirror images.
        hue: their colours may be turned, by steps of 60 degrees; the layer reads three channels.
        contrast: their signs may be exchanged.
        angles: how many turns; by default about one for each pixel around a filter.
        draws: of the null.
        seed: of the draws.
        progress: show a bar.

    Raises:
        InputError: filters of one pixel, no such unit, or hues of a layer that does not read three channels.
        UnknownSite: no such layer.

    >>> import sonde
    >>> families_by_weights(sonde.load("specimen:digits"), "blocks.0.conv", draws=20).period
    360.0
    """
    weight = slices(model, layer)
    chosen = list(range(len(weight))) if units is None else list(units)
    if wrong := [unit for unit in chosen if not isinstance(unit, int) or not 0 <= unit < len(weight)]:
        raise InputError(f"there is no unit {shown(wrong[0])} at {layer!r}: it has {len(weight)}")
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"units={shown(units)}: name some, each once")
    options = [name for name, wanted in (("mirror", mirror), ("hue", hue), ("contrast", contrast)) if wanted]
    values, elements, looks = _by_weights(weight[chosen], angles, options)
    arguments = {"layer": layer, "units": None if units is None else chosen, "options": options, "draws": draws, "angles": angles}
    recipe = Recipe.of("sonde.vision.families_by_weights", arguments, model_hash=model.hash, inputs=[weight], seed=seed)
    return _grouped(
        values, elements, draws, seed, progress, layer=layer, by="weights", units=chosen, axis="angle in degrees", period=360.0, looks=looks,
        options=options, stimuli=None, normalise=AS_IT_IS, recipe=recipe,
    )  # fmt: skip


def _by_stimuli(
    response: Float[Tensor, "unit at across"], stimuli: Stimuli, options: Sequence[str]
) -> tuple[Float[Tensor, "unit at across"], list[Element]]:  # fmt: skip
    at, n, period = torch.tensor(stimuli.at, dtype=torch.float64), len(stimuli.at), stimuli.period
    if not period or n < 4 or not torch.allclose(at.diff(), torch.full((n - 1,), period / n, dtype=torch.float64), rtol=1e-6):
        raise InputError(f"{stimuli.name} over {stimuli.axis} don't go round in four or more equal steps, so they can't show what is a turn of what")
    count = len(stimuli.across_at)
    rows = [("", torch.eye(count), torch.eye(count))]
    if "scale" in options:
        rows += _sizes(stimuli)
    if "contrast" in options:
        twice = [(name, torch.block_diag(one, one), torch.block_diag(two, two)) for name, one, two in rows]
        rows = twice + [(" ".join(filter(None, (name, "inverted"))), one, two.roll(two.shape[1] // 2, 1)) for name, one, two in twice]
    return response, _mirrored(rows, "mirror" in options)


def _sizes(stimuli: Stimuli) -> list[tuple[str, Tensor, Tensor]]:
    """What compares a unit at some sizes with another at others, shifted by up to half of them."""
    across, count = torch.tensor(stimuli.across_at, dtype=torch.float64), len(stimuli.across_at)
    steps = across.log().diff()
    if count < 3 or not bool((across > 0).all()) or not torch.allclose(steps, steps.mean().expand_as(steps), rtol=1e-3):
        raise InputError(
            f"the {stimuli.across} of {stimuli.name}, {shown(stimuli.across_at)}, don't rise by equal factors: scale= needs three or more that do"
        )
    every = torch.eye(count)
    found = []
    for shift in range(1, count // 2 + 1):
        factor = float((shift * steps.mean()).exp())
        found += [
            (f"{stimuli.across} x {factor:.3g}", every[shift:], every[:-shift]),
            (f"{stimuli.across} x {1 / factor:.3g}", every[:-shift], every[shift:]),
        ]
    return found


def _by_weights(
    weight: Float[Tensor, "unit input row col"], angles: int | None, options: Sequence[str]
) -> tuple[Float[Tensor, "unit at across"], list[Element], Float[Tensor, "unit channel row col"]]:
    values, inputs = rings(weight, angles), weight.shape[1]
    count, each = values.shape[2], values.shape[2] // inputs
    rows = [("", torch.eye(count), torch.eye(count))]
    if "hue" in options:
        if inputs != 3:
            raise InputError(f"hue= turns the colours of three channels, and this layer reads {inputs}")
        rows += [(f"hue {hue:+}", torch.eye(count), torch.kron(_hue(hue), torch.eye(each))) for hue in HUES[1:]]
    if "contrast" in options:
        rows += [(" ".join(filter(None, (name, "inverted"))), one, -two) for name, one, two in rows]
    # a filter of three channels is a picture; of others the input that weighs most is shown
    shown_ones = weight if inputs == 3 else weight[torch.arange(len(weight)), weight.flatten(2).norm(dim=2).argmax(1)][:, None]
    looks = 0.5 + shown_ones / shown_ones.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-30) / 2
    return values, _mirrored(rows, "mirror" in options), looks.float()


def _hue(degrees: float) -> Float[Tensor, "channel channel"]:
    """The turn of red, green and blue around grey."""
    even = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = math.radians(degrees)
    return even + math.cos(turn) * (torch.eye(3) - even) + math.sin(turn) * cross


def _mirrored(rows: Sequence[tuple[str, Tensor, Tensor]], too: bool) -> list[Element]:
    plain = [Element(name, False, one, two) for name, one, two in rows]
    return plain + [Element(" ".join(filter(None, ("mirrored", one.name))), True, one.first, one.second) for one in plain if too]


def _kinship(correlation: Float[Tensor, "unit other"]) -> Float[Tensor, " unit"]:
    return correlation.clone().fill_diagonal_(-2).amax(1)


def _grouped(
    values: Float[Tensor, "unit at across"], elements: Sequence[Element], draws: int, seed: int, progress: bool, *, layer: str, by: str,
    units: list[int], axis: str, period: float, looks: Tensor, options: list[str], stimuli: Stimuli | None, normalise: Normalisation, recipe: Recipe,
) -> Families:  # fmt: skip
    from scipy.cluster.hierarchy import fcluster, linkage

    if not isinstance(draws, int) or draws < 20:
        raise InputError(f"draws={shown(draws)}: the 95 % quantile of a null needs 20 or more")
    found = aligned(values, elements, draws, seed, progress)
    n, count = len(values), values.shape[1]
    family, phase, element = torch.full((n,), NOBODY), torch.full((n,), torch.nan), torch.full((n,), NOBODY)
    if n > 1:
        far = (1 - (found.correlation - found.cut)).clamp(min=0)
        above = torch.triu_indices(n, n, 1)
        groups = fcluster(linkage(((far + far.T) / 2)[above[0], above[1]].double().numpy(), "average"), 1.0, "distance")
        joined = [place for place in (torch.from_numpy(groups == one).nonzero()[:, 0] for one in sorted(set(groups.tolist()))) if len(place) > 1]
        for number, places in enumerate(sorted(joined, key=lambda one: (-len(one), int(one[0])))):
            among = found.correlation[places][:, places]
            reference = int(places[int((among.sum(1) * 1e3).round().argmax())])
            family[places] = number
            phase[places] = found.shift[places, reference].float() * (period / count)
            element[places] = found.element[places, reference]
    notes = []
    flat = [unit for unit, wave in zip(units, waves_of(values), strict=True) if not bool(wave.abs().any())]
    if flat:
        rest = f" and {len(flat) - 8} more" if len(flat) > 8 else ""
        who, do = ("units", "change") if len(flat) > 1 else ("unit", "changes")
        notes.append(f"{who} {', '.join(map(str, flat[:8]))}{rest} {do} with no turn")
    if not int(family.max()) + 1:
        notes.append("no pair is more alike than chance makes the closest of all pairs, at 5 %")
    return Families(
        layer=layer, by=by, units=list(units), family=family, phase=phase, elements=[one.name for one in elements], element=element,
        correlation=found.correlation, cut=found.cut, maxima=found.maxima, axis=axis, period=period, turns=count, looks=looks, options=list(options),
        stimuli=stimuli, normalise=normalise, notes=tuple(notes), recipe=recipe,
    )  # fmt: skip
