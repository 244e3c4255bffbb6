"""Can a layer's weights be read as a few parts that add up? Non-negative factors of its excitatory and inhibitory slices.

    [ W+ | W- ]  ~  L H,    L, H >= 0        one row per unit: what excites it beside what inhibits it, over all channels and places

(Lee and Seung 1999; of weights: Cammarata et al. 2020, "Visualizing Weights".) A part is a pattern of excitation and inhibition that several units
share; a unit is the sum of parts by its loadings. Any matrix has such factors: those of the same weights in random order, unit by unit, say how much
less is left out because the weights are what they are.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import picture_grid
from sonde.vision.sentences import sentences
from sonde.vision.weight_results import UnitWeights

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model

ROUNDS = 1000
CHANNELS = 6  # of a part that are drawn
NAMED = 4  # units by which a part is named


@dataclass(frozen=True, eq=False, repr=False)
class WeightFactors(Result):
    """A layer's weights as parts that add up.

    Arguments:
        layer, source, units, labels: as of the weights.
        loading: how much of each part a unit has.
        excite, inhibit: of each part, every channel's share of excitation and of inhibition over the places; each part has norm 1.
        weight: what was factorised.
        left_out: of each unit the share of the squared weights that the parts do not give.
        notes: what was decided or found on the way.
    """

    layer: str
    source: str
    units: list[int]
    labels: list[str]
    loading: Float[Tensor, "unit part"]
    excite: Float[Tensor, "part channel row col"]
    inhibit: Float[Tensor, "part channel row col"]
    weight: Float[Tensor, "unit channel row col"]
    left_out: Float[Tensor, " unit"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def error(self) -> float:
        """The share of all squared weights that the parts do not give."""
        size = self.weight.square().sum((1, 2, 3))
        return float((self.left_out * size).sum() / size.sum())

    def to_frame(self) -> "DataFrame":
        """One row per unit and part: the loading, and what of the unit all parts leave out."""
        import polars as pl

        n = self.loading.shape[1]
        return pl.DataFrame(
            {
                "unit": [unit for unit in self.units for _ in range(n)],
                "part": list(range(n)) * len(self.units),
                "loading": self.loading.flatten().tolist(),
                "left_out": [one for one in self.left_out.tolist() for _ in range(n)],
            }
        )

    def drawing(self) -> Drawing:
        """Each part by the channels that have most of it, and by the units that it makes."""
        signed = self.excite - self.inhibit
        most = (self.excite + self.inhibit).square().sum((2, 3)).sort(dim=1, descending=True, stable=True)
        width = min(CHANNELS, len(self.labels))
        rows, cells, values, details = [], [], [], []
        for part, own in enumerate(most.indices[:, :width].tolist()):
            heaviest = self.loading[:, part].sort(descending=True, stable=True).indices[:NAMED].tolist()
            rows.append(f"part {part}: units {', '.join(str(self.units[i]) for i in heaviest)}")
            cells.append([signed[part, channel] for channel in own])
            values.append([float(signed[part, channel].sum()) for channel in own])
            details.append([self.labels[channel] for channel in own])
        note = f"named by the {NAMED} units of {self.layer} that have most of each; {self.error:.1%} of the squared weights is left out"
        return picture_grid(
            f"Of which parts is {self.layer} made?", "sum of weights", [[None] * width for _ in rows], row_name="part", rows=rows,
            col_name=f"channels of {self.source}, the heaviest first", cols=[str(i + 1) for i in range(width)], values=values, details=details,
            maps=cells, map_unit="weight of a part", zero="no weight",
            note=sentences((note, *self.notes)),
        )  # fmt: skip

    def check(self, model: "Model", draws: int = 8, seed: int = 0) -> list[Verdict]:
        """Test whether the parts are the layer's: as many parts of each unit's weights in random order must leave out more.

        Arguments:
            model: the network whose weights these are.
            draws: random orders, at least 2.
            seed: of the orders.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        if not isinstance(draws, int) or draws < 2:
            raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
        generator = torch.Generator().manual_seed(seed)
        parts, rows = self.loading.shape[1], self.weight.flatten(1)
        control = []
        for _ in range(draws):
            order = torch.rand(rows.shape, generator=generator).argsort(1)
            mixed = rows.gather(1, order).view_as(self.weight)
            control.append(_factors(mixed, parts, seed)[3])
        claim = f"The weights of {self.layer} on {self.source} are made of {parts} parts: in random order as many leave out more."
        measure = "share of a unit's squared weights that is left out"
        return [
            compare(claim, measure, self.left_out, torch.stack(control), direction="less", threshold=1.0, threshold_source="all", exceeding="draw")
        ]


def factorised(weights: UnitWeights, factors: int, seed: int = 0) -> WeightFactors:
    """Write a layer's weights as parts that add up.

    Arguments:
        weights: of at least as many units as there shall be parts.
        factors: how many parts.
        seed: of the start.

    Raises:
        InputError: more parts than units, or none.

    >>> import sonde
    >>> from sonde.vision import weights_between
    >>> found = factorised(weights_between(sonde.load("specimen:digits"), "blocks.1.conv"), 8)
    >>> found.loading.shape, 0 < found.error < 1
    (torch.Size([32, 8]), True)
    """
    most = min(len(weights.units), 2 * weights.weight[0].numel())
    if not isinstance(factors, int) or not 1 <= factors <= most:
        raise InputError(f"factors={shown(factors)}: give a number from 1 to {most}, as there are {len(weights.units)} units here")
    loading, excite, inhibit, left_out, settled = _factors(weights.weight, factors, seed)
    notes = () if settled else (f"the parts were still changing after {ROUNDS} rounds",)
    recipe = Recipe.of("sonde.vision.factorised", {"factors": factors}, model_hash=weights.recipe.model_hash, inputs=weights.weight, seed=seed)
    return WeightFactors(
        layer=weights.layer, source=weights.source, units=weights.units, labels=weights.labels, loading=loading, excite=excite, inhibit=inhibit,
        weight=weights.weight, left_out=left_out, notes=notes, recipe=recipe,
    )  # fmt: skip


def _factors(
    weight: Float[Tensor, "unit channel row col"], parts: int, seed: int
) -> tuple[Float[Tensor, "unit part"], Float[Tensor, "part channel row col"], Float[Tensor, "part channel row col"], Float[Tensor, " unit"], bool]:
    """Loadings, what excites and what inhibits, what is left out of each unit, and whether the search came to rest."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    rows = torch.cat([weight.clamp(min=0).flatten(1), (-weight).clamp(min=0).flatten(1)], 1).double()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        search = NMF(parts, init="nndsvda", max_iter=ROUNDS, random_state=seed)
        loading = torch.from_numpy(search.fit_transform(rows.numpy()))
    found = torch.from_numpy(search.components_)
    size = found.norm(dim=1).clamp(min=1e-12)
    left_out = (rows - loading @ found).square().sum(1) / rows.square().sum(1).clamp(min=1e-12)
    loading, found = (loading * size).float(), (found / size[:, None]).float()
    excite, inhibit = found.view(parts, 2, *weight.shape[1:]).unbind(1)
    return loading, excite.contiguous(), inhibit.contiguous(), left_out.float(), not any(issubclass(one.category, ConvergenceWarning) for one in told)
