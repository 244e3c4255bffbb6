"""Is the wiring between two families the same, turned? Equivariance, from the weights alone.

Of a family F in one layer and a family H in the next, with phases, a circuit that is equivariant reads, turned, what the turned one reads:

    score = mean over h, f, g of corr( turned by g (W[h_j, f_i]), W[h_{j+g}, f_{i+g}] ),    W[h, f] a slice

(Olah et al. 2020, "Naturally Occurring Equivariance in Neural Networks"). The null exchanges the phases of both families at random. Ordered by phase,
the matrix of how strongly each h reads each f is circulant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.nn import filters_permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import matrix
from sonde.vision.families import Families
from sonde.vision.sentences import sentences
from sonde.vision.slices import slices

if TYPE_CHECKING:
    from polars import DataFrame

LEAST = 8  # pairs, for a verdict
CLOSE = 1e-3  # degrees
CERTAIN = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class Equivariance(Result):
    """Whether one family reads another in the same way from every side.

    Arguments:
        layer: of the readers; its slices were taken.
        source: the layer of what they read.
        units, phases: the readers, in the order of their phases, in degrees.
        sources, source_phases: what they read.
        weight: the slices between them.
        each: of every reader, the mean correlation of its slices, turned, with those of the readers in the other poses.
        chance: the score with phases at random; one for each draw.
        notes: what was decided or found on the way.
    """

    layer: str
    source: str
    units: list[int]
    phases: list[float]
    sources: list[int]
    source_phases: list[float]
    weight: Float[Tensor, "unit source row col"]
    each: Float[Tensor, " unit"]
    chance: Float[Tensor, " draw"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def score(self) -> float:
        """From 1, turned exactly, to about 0, unrelated."""
        return float(self.each.nanmean())

    @property
    def p(self) -> float:
        """The share of random phases that score at least as high, the true ones among them."""
        return (1 + int((self.chance >= self.score).sum())) / (len(self.chance) + 1)

    def to_frame(self) -> "DataFrame":
        """One row per pair: their phases, how strongly the one reads the other (the sum of the slice), and how far the slice excites and inhibits."""
        import polars as pl

        rows = [
            {
                "unit": unit, "phase": self.phases[i], "source": source, "source_phase": self.source_phases[j],
                "strength": float(self.weight[i, j].sum()), "excites": float(self.weight[i, j].clamp(min=0).sum()),
                "inhibits": float(self.weight[i, j].clamp(max=0).sum()),
            }
            for i, unit in enumerate(self.units)
            for j, source in enumerate(self.sources)
        ]  # fmt: skip
        return pl.DataFrame(rows)

    def drawing(self) -> Drawing:
        """How strongly each reads each, ordered by phase: circulant where the wiring is the same, turned."""
        limit = float(self.chance.quantile(CERTAIN))
        note = f"The slices agree, turned, by {self.score:.2f}; with phases at random by up to {limit:.2f} in 95 of 100 draws. "
        rows, cols = (
            [f"{unit} ({phase:g}°)" for unit, phase in zip(*one, strict=True)]
            for one in ((self.units, self.phases), (self.sources, self.source_phases))
        )
        return matrix(
            f"Is what {self.layer} reads from {self.source} the same, turned?", "summed weight", self.weight.sum((2, 3)),
            row_name="reader", rows=rows, col_name="source", cols=cols,
            note=note + sentences(self.notes),
        )  # fmt: skip

    def check(self, model: Model, draws: int = 20, seed: int = 0) -> list[Verdict]:
        """Test whether the wiring is turned by what was learnt: beside the same units and phases with the entries of every filter in random order.

        Arguments:
            model: the network that was asked.
            draws: shuffled copies, at least 2.
            seed: of the orders.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        if not isinstance(draws, int) or draws < 2:
            raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
        claim = f"{self.layer} reads {self.source} in the same way from every side by what it learnt: shuffled filters do not."
        measure, source = "correlation of turned slices with those they should be", "the 95 % quantile with random phases"
        limit = float(self.chance.quantile(CERTAIN))
        known = self.each.isfinite()
        if int(known.sum()) < LEAST:
            reason = f"{int(known.sum())} units in other poses say too little; at least {LEAST} are needed"
            return [untestable(claim, measure, reason, threshold=limit, threshold_source=source)]
        control = []
        for draw in range(draws):
            broken = Model(filters_permuted(model.module, seed + draw), name=model.name)
            weight = slices(broken, self.layer)[self.units][:, self.sources]
            control.append(turned_alike(weight, self.phases, self.source_phases))
        return [compare(claim, measure, self.each[known], torch.stack(control)[:, known], threshold=limit, threshold_source=source, exceeding="draw")]


def equivariance(
    model: Model, readers: Families, sources: Families, family: int = 0, source_family: int = 0, *, draws: int = 1000, seed: int = 0
) -> Equivariance:  # fmt: skip
    """Test whether a family reads another in the same way from every side.

    Arguments:
        model: the network.
        readers: the families of a convolution.
        sources: the families of the layer that it reads; its units are the convolution's channels.
        family, source_family: which of them, by number. Members that are mirrored or otherwise changed are left out.
        draws: random phases.
        seed: of them.

    Raises:
        InputError: no such family, fewer than three members in poses of their own, other angles, or a source that the layer does not read.
    """
    for one in (readers, sources):
        if not isinstance(one, Families):
            raise InputError(f"{shown(one)} are no families: give what sonde.vision.families or families_by_weights returns")
        one.refuse_other(model)
    weight = slices(model, readers.layer)
    rows, phases, left = _posed(readers, family)
    cols, source_phases, more = _posed(sources, source_family)
    if max(cols) >= weight.shape[1]:
        raise InputError(
            f"{readers.layer} reads {weight.shape[1]} channels, and {sources.layer} has a unit {max(cols)}: name the layer that it reads"
        )
    notes = tuple(f"{one} of {layer} {'is' if len(one.split()) == 2 else 'are'} left out: other than turned" for one, layer in
                  ((left, readers.layer), (more, sources.layer)) if one)  # fmt: skip
    between = weight[rows][:, cols]
    arguments = {"layer": readers.layer, "source": sources.layer, "units": rows, "sources": cols, "draws": draws}
    recipe = Recipe.of("sonde.vision.equivariance", arguments, model_hash=model.hash, inputs=[between, phases, source_phases], seed=seed)
    return equivariance_of(
        between, phases, source_phases, draws=draws, seed=seed, layer=readers.layer, source=sources.layer, units=rows, sources=cols, notes=notes,
        recipe=recipe,
    )  # fmt: skip


def equivariance_of(
    weight: Float[Tensor, "unit source row col"], phases: Sequence[float], source_phases: Sequence[float], *, draws: int = 1000, seed: int = 0,
    layer: str = "the next layer", source: str = "the layer", units: Sequence[int] | None = None, sources: Sequence[int] | None = None,
    notes: Sequence[str] = (), recipe: Recipe | None = None,
) -> Equivariance:  # fmt: skip
    """Test slices of which the phases are known.

    Arguments:
        weight: what each unit reads from each source.
        phases, source_phases: of both, in degrees.
        draws: random phases.
        seed: of them.
        layer, source, units, sources, notes, recipe: what they are called; numbered where nothing is said.

    Raises:
        InputError: phases that do not fit, or fewer than three poses.
    """
    if (len(phases), len(source_phases)) != tuple(weight.shape[:2]):
        raise InputError(
            f"the weights are of {weight.shape[0]} units and {weight.shape[1]} sources, with {len(phases)} and {len(source_phases)} phases"
        )
    if min(len(set(phases)), len(set(source_phases))) < 3:
        raise InputError(f"phases={shown(list(phases))}, {shown(list(source_phases))}: a wiring that turns has three poses or more on both sides")
    own = turned_alike(weight, phases, source_phases)
    if not bool(own.isfinite().any()):
        raise InputError("no turn leads from a pair of units to another: both families need phases in the same steps")
    generator = torch.Generator().manual_seed(seed)
    chance = []
    for _ in range(draws):
        rows, cols = torch.randperm(len(phases), generator=generator), torch.randperm(len(source_phases), generator=generator)
        chance.append(turned_alike(weight[rows][:, cols], phases, source_phases).nanmean())
    own_recipe = Recipe.of(
        "sonde.vision.equivariance_of", {"draws": draws}, model_hash="", inputs=[weight, list(phases), list(source_phases)], seed=seed
    )
    by_phase = sorted(range(len(phases)), key=lambda i: phases[i]), sorted(range(len(source_phases)), key=lambda i: source_phases[i])
    rows_of, cols_of = (
        (list(range(len(phases))) if units is None else list(units)),
        (list(range(len(source_phases))) if sources is None else list(sources)),
    )
    return Equivariance(
        layer=layer, source=source, units=[rows_of[i] for i in by_phase[0]], phases=[float(phases[i]) for i in by_phase[0]],
        sources=[cols_of[i] for i in by_phase[1]], source_phases=[float(source_phases[i]) for i in by_phase[1]],
        weight=weight[by_phase[0]][:, by_phase[1]], each=own[by_phase[0]], chance=torch.stack(chance), notes=tuple(notes),
        recipe=own_recipe if recipe is None else recipe,
    )  # fmt: skip


def turned_alike(weight: Float[Tensor, "unit source row col"], phases: Sequence[float], source_phases: Sequence[float]) -> Float[Tensor, " unit"]:
    """Of each unit the mean correlation of its slices, turned, with those of the units and sources so much farther around; NaN where there are none.

    Arguments:
        weight: the slices.
        phases, source_phases: in degrees.
    """
    at, source_at = torch.tensor(list(phases), dtype=torch.float64), torch.tensor(list(source_phases), dtype=torch.float64)
    total, count = torch.zeros(len(at)), torch.zeros(len(at))
    turns = sorted({round(float(turn), 4) for turn in ((at[:, None] - at[None]) % 360).flatten()} - {0.0, 360.0})
    for turn in turns:
        to, source_to = _partner(at, turn), _partner(source_at, turn)
        rows, cols = (to >= 0).nonzero()[:, 0], (source_to >= 0).nonzero()[:, 0]
        if not len(rows) or not len(cols):
            continue
        one = turned(weight[rows][:, cols], turn).flatten(2)
        other = weight[to[rows]][:, source_to[cols]].flatten(2)
        # all slices of a unit are one pattern: which of them is strong counts as much as their shapes
        one, other = one.flatten(1), other.flatten(1)
        one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
        total[rows] += (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1)).clamp(min=1e-30)
        count[rows] += 1
    return torch.where(count > 0, total / count.clamp(min=1), torch.nan)


def _partner(at: Float[Tensor, " unit"], turn: float) -> Tensor:
    """For each phase the number of the one that is a turn farther; -1 for none."""
    away = ((at[None] - at[:, None] - turn + 180) % 360 - 180).abs()
    nearest = away.min(1)
    return torch.where(nearest.values < CLOSE, nearest.indices, -1)


def turned(weight: Float[Tensor, "unit source row col"], degrees: float) -> Float[Tensor, "unit source row col"]:
    """Slices turned against the clock; quarter turns of square ones are exact, others interpolated, with nothing beyond the borders."""
    quarters = degrees / 90
    if weight.shape[2] == weight.shape[3] and abs(quarters - round(quarters)) < 1e-6:
        return weight.rot90(round(quarters) % 4, (2, 3))
    turn = torch.tensor(degrees).deg2rad()
    # where each place of the new slice comes from; y points down
    back = torch.stack([torch.stack([turn.cos(), -turn.sin(), turn * 0]), torch.stack([turn.sin(), turn.cos(), turn * 0])])
    grid = affine_grid(back.expand(len(weight), 2, 3).to(weight), list(weight.shape), align_corners=True)
    return grid_sample(weight, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _posed(found: Families, family: int) -> tuple[list[int], list[float], str]:
    """The members of a family that are turned and nothing else, one for each phase, with their phases; and those that are left out."""
    if found.period != 360:
        raise InputError(
            f"the families of {found.layer} come round after {found.period:g}: weights turn by whole turns, so ask by curves or by weights"
        )
    kept: dict[float, int] = {}
    left = []
    for unit in found.members(family):
        i = found.units.index(unit)
        phase = round(float(found.phase[i]), 3)
        if int(found.element[i]) or phase in kept:
            left.append(unit)
        else:
            kept[phase] = unit
    return list(kept.values()), list(kept), f"{'units' if len(left) > 1 else 'unit'} {', '.join(map(str, left))}" if left else ""
