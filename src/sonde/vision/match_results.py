"""What matching units returns: who answers like whom, and how far that goes beyond what the largest of many correlations is by chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.results import Drawing, InputError, Result, Verdict, shown
from sonde.results.drawing import Series, lines, matrix, picture_grid, table
from sonde.vision.fields import Field
from sonde.vision.normalisation import Normalisation
from sonde.vision.sentences import sentences

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

BINS = 20  # of a histogram, from 0 to 1
ROWS = 40  # of a table
SIDE = 48  # of a heat map
LEVEL = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class UnitMatches(Result):
    """Each unit of a layer, and the units of another network that answer most alike. Dead units have NaN, and the partner -1.

    Arguments:
        model, layer: whose units sought partners.
        other, other_layer, other_hash: where, and the hash of that network.
        correlation: of all pairs.
        partner, best: each unit's best match, and the correlation with it.
        pair, paired: its partner where each is given once, -1 if none was left, and the correlation with it.
        held, most: the correlation on one half of the pictures with the partner that the other half chose (the mean of both ways), and the most that
            any choice could have reached there: the ceiling.
        steady: whether both halves chose the same partner.
        null_best, null_partner, null_paired, null_held: the same with the other network's pictures in random order.
        dead, other_dead: units that gave the same everywhere.
        spread, other_spread: the deviation of every unit's answers.
        pictures, places, grid: how many pictures, and how many places of which grid in each.
        field, other_field: the receptive fields of both layers.
        normalise, other_normalise, size, other_size, samples: how they were shown.
        notes: what was decided or found on the way.
    """

    model: str
    layer: str
    other: str
    other_layer: str
    other_hash: str
    correlation: Float[Tensor, "one other"]
    partner: Int[Tensor, " one"]
    best: Float[Tensor, " one"]
    pair: Int[Tensor, " one"]
    paired: Float[Tensor, " one"]
    held: Float[Tensor, " one"]
    most: Float[Tensor, " one"]
    steady: Bool[Tensor, " one"]
    null_best: Float[Tensor, "draw one"]
    null_partner: Int[Tensor, "draw one"]
    null_paired: Float[Tensor, "draw one"]
    null_held: Float[Tensor, "draw one"]
    dead: list[int]
    other_dead: list[int]
    spread: Float[Tensor, " one"]
    other_spread: Float[Tensor, " other"]
    pictures: int
    places: int
    grid: tuple[int, int]
    field: Field
    other_field: Field
    normalise: Normalisation
    other_normalise: Normalisation
    size: tuple[int, int] | None
    other_size: tuple[int, int] | None
    samples: int
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("grid", "size", "other_size", "notes"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    @property
    def alive(self) -> list[int]:
        """The units that can be matched."""
        return (self.partner >= 0).nonzero()[:, 0].tolist()

    @property
    def p(self) -> Float[Tensor, " one"]:
        """For each unit, the share of random orders (and the true one) in which its best match is at least as good; NaN of dead units."""
        share = (1 + (self.null_best >= self.best).sum(0)) / (1 + len(self.null_best))
        return share.masked_fill(self.partner < 0, torch.nan)

    @property
    def recurs(self) -> Bool[Tensor, " one"]:
        """Whether a unit has a counterpart: its best match is better than in all but one in twenty random orders."""
        return self.p <= LEVEL

    def ranked(self) -> list[int]:
        """The living units, the best matched first."""
        return [unit for unit in self.best.nan_to_num(-2).argsort(descending=True).tolist() if self.partner[unit] >= 0]

    def recurring(self, units: Sequence[int] | None = None) -> tuple[float, Float[Tensor, " draw"]]:
        """The share of living units that have a counterpart; and, as the null, that share in each random order beside the others.

        Arguments:
            units: of these alone; all by default.
        """
        kept = self.alive if units is None else [unit for unit in units if unit in set(self.alive)]
        if not kept:
            return float("nan"), torch.full((len(self.null_best),), torch.nan)
        null = self.null_best[:, kept]
        # of J + 1 values each is as likely to be the largest: the true one is left out, and each draw stands beside the other J - 1
        beside = torch.stack([torch.cat([null[:i], null[i + 1 :]]).amax(0) for i in range(len(null))])
        return float(self.recurs[kept].double().mean()), (null > beside).double().mean(1).float()

    def to_frame(self) -> "DataFrame":
        """One row per unit: its best match, how good it is and would be by chance, and its partner where each is given once."""
        import polars as pl

        limit = self.null_best.nanquantile(0.95, 0)
        whole = {"unit": list(range(len(self.best))), "partner": [None if one < 0 else one for one in self.partner.tolist()]}
        columns = {"correlation": self.best, "p": self.p, "null": limit, "held": self.held, "ceiling": self.most}
        frame = pl.DataFrame({**whole, **{name: one.double().tolist() for name, one in columns.items()}}, schema_overrides={"partner": pl.Int64})
        pairs = pl.Series("pair", [None if one < 0 else one for one in self.pair.tolist()], dtype=pl.Int64)
        return frame.with_columns(pl.Series("steady", self.steady.tolist()), pairs, pl.Series("paired", self.paired.double().tolist())).fill_nan(None)

    def drawing(self) -> Drawing:
        """The histogram of the best matches, and of those given once, beside the best ones in random order."""
        low = min(0.0, *(float(one[one.isfinite()].min()) for one in (self.best, self.paired, self.null_best)))
        edges = torch.linspace(low, 1, BINS + 1)
        null = torch.stack([_shares(one, edges) for one in self.null_best])
        control = Series("pictures in random order", null.mean(0), null.amin(0), null.amax(0))
        series = [Series("best match", _shares(self.best, edges)), Series("one to one", _shares(self.paired, edges))]
        middles = [round(float(one), 3) for one in (edges[1:] + edges[:-1]) / 2]
        return lines(
            f"How alike are units of {self.layer} and {self.other_layer} of {self._other}?", "share of units", "correlation",
            middles, series, spacing="linear", control=control, note=sentences([*self._told(), *self.notes]),
        )  # fmt: skip

    def table(self, units: Sequence[int] | None = None, kinds: Sequence[str] | None = None) -> Drawing:
        """Units and their matches, the best first.

        Arguments:
            units: which; the 40 that are matched best by default.
            kinds: a word for each unit of the layer, such as what it is tuned to.
        """
        shown_units = self._units(units) if units is not None else self.ranked()[:ROWS]
        limit = self.null_best.nanquantile(0.95, 0)
        columns = ["unit", *(["kind"] if kinds else []), "best match", "correlation", "by chance, 95 %", "other half", "ceiling there", "one to one",
                   "its correlation"]  # fmt: skip
        rows = [
            [f"{self.layer}:{unit}", *([kinds[unit]] if kinds else []), _name(self.other_layer, self.partner[unit]), _known(self.best[unit]),
             _known(limit[unit]), _known(self.held[unit]), _known(self.most[unit]), _name(self.other_layer, self.pair[unit]),
             _known(self.paired[unit])]
            for unit in shown_units
        ]  # fmt: skip
        note = f"the {len(rows)} of {len(self.best)} units that are matched best" if units is None and len(rows) < len(self.best) else ""
        return table("Which unit is which?", columns, rows, note=sentences([note]))

    def heat_map(self, units: Sequence[int] | None = None) -> Drawing:
        """The correlations of units with each other's partners: the diagonal holds the pairs, each given once.

        Arguments:
            units: which; the 48 of the best pairs by default.
        """
        given = self.paired.nan_to_num(-2).argsort(descending=True).tolist() if units is None else self._units(units)
        kept = [unit for unit in given if self.pair[unit] >= 0][: SIDE if units is None else None]
        if not kept:
            raise InputError(f"units={shown(units)}: none of them has a partner that is given once")
        partners = self.pair[kept].tolist()
        note = f"the {len(kept)} best of {int((self.pair >= 0).sum())} pairs" if units is None else ""
        return matrix(
            f"Which units of {self.layer} and {self.other_layer} answer alike?", "correlation", self.correlation[kept][:, partners],
            row_name=self.layer, rows=kept, col_name=f"{self.other_layer} of {self._other}", cols=partners, limit=1.0, zero="unrelated",
            note=sentences([note]),
        )  # fmt: skip

    def panel(
        self, units: Sequence[int], own: Mapping[int, Tensor], others: Mapping[int, Tensor], labels: Sequence[str] | None = None, draw: int = 0
    ) -> Drawing:  # fmt: skip
        """Units in a row, under each the unit of the other network that matches it, and under that the one that a random order names.

        Arguments:
            units: of the layer, in the order in which they are drawn.
            own, others: what units look for, (channel row col) from 0 to 1 by their numbers, such as `show` finds it; a unit without a picture has an
                empty cell.
            labels: one for each unit; its number by default.
            draw: which random order.

        Raises:
            InputError: no such unit, another number of labels, or no picture of any.
        """
        chosen = self._units(units)
        if labels is not None and len(labels) != len(chosen):
            raise InputError(f"there are {len(labels)} labels and {len(chosen)} units: give one for each")
        rows: list[tuple[Mapping[int, Tensor], list[int], list[float | None]]] = [
            (own, chosen, [None] * len(chosen)),
            (others, self.partner[chosen].tolist(), [_known(one) for one in self.best[chosen]]),
            (others, self.null_partner[draw, chosen].tolist(), [_known(one) for one in self.null_best[draw, chosen]]),
        ]
        pictures = [[seen.get(number) for number in numbers] for seen, numbers, _ in rows]
        opened = next(((i, j) for i, row in enumerate(pictures) for j, one in enumerate(row) if one is not None), None)
        if opened is None:
            raise InputError("there is no picture of any of these units or their partners: give pictures by the numbers of units")
        return picture_grid(
            f"What do units of {self.layer} and their matches in {self._other} look for?", "correlation", pictures, row_name="network",
            rows=[f"{self.model} {self.layer}", f"{self.other} {self.other_layer}", "matched with pictures in random order"], col_name="unit",
            cols=[str(one) for one in chosen] if labels is None else list(labels), values=[values for _, _, values in rows],
            details=[["" if one < 0 else str(one) for one in numbers] for _, numbers, _ in rows], opened=opened,
            note=sentences(["Correlations are of answers to pictures, not of these drawings", *self.notes]),
        )  # fmt: skip

    def check(
        self, model: Model, other: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", draws: int = 8, seed: int = 0,
        batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
    ) -> list[Verdict]:  # fmt: skip
        """Test whether the units recur: on pictures that did not choose the partners, and beside networks whose filters are in random order.

        Arguments:
            model, other: the networks that were matched.
            pictures: the same ones, or others; each half of them chooses, and is measured on the other.
            draws: random orders of the pictures, and networks with shuffled filters, at least 2.
            seed: of the halves and the draws.
            batch_size: pictures at once.
            folder: keep finished batches there; a check that was interrupted goes on.
            progress: show a bar.

        Raises:
            CheckRefused: one of the models is another one.
        """
        from sonde.vision.match_checks import controls, judged

        beside = controls(self, model, other, pictures, draws, seed, batch_size, folder, progress)
        return judged(beside, range(len(self.best)), f"Units of {self.layer}", f"{self.other_layer} of {self.other}")

    @property
    def _other(self) -> str:
        return "itself" if self.other_hash == self.recipe.model_hash else self.other

    def _told(self) -> list[str]:
        share, null = self.recurring()
        mean, chance, held = (float(one.nanmean()) for one in (self.best, self.null_best, self.held))
        steady = float(self.steady[self.alive].double().mean())
        return [
            f"best match {mean:.2f} on average, {chance:.2f} in random order, {held:.2f} on the half that did not choose it (ceiling "
            f"{float(self.most.nanmean()):.2f}); both halves choose the same for {steady:.0%} of units",
            f"{share:.0%} of {len(self.alive)} units exceed all random orders, where {float(null.mean()):.0%} would by chance",
        ]

    def _units(self, units: Sequence[int]) -> list[int]:
        for unit in units:
            if not isinstance(unit, int) or not 0 <= unit < len(self.best):
                raise InputError(f"there is no unit {shown(unit)} at {self.layer!r}: it has {len(self.best)}")
        if not len(units):
            raise InputError("units=[]: name some")
        return list(units)


@dataclass(frozen=True, eq=False, repr=False)
class MatchCourse(Result):
    """How well the units of a layer are matched in each of several networks.

    Arguments:
        layer, other_layer: of the network, and of the others.
        names: of the others, in order.
        best: each unit's best match in each of them.
        held: on the half of the pictures that did not choose it.
        null_best: the mean over units with the pictures in random order.
        notes: what was decided or found on the way.
    """

    layer: str
    other_layer: str
    names: list[str]
    best: Float[Tensor, "network one"]
    held: Float[Tensor, "network one"]
    null_best: Float[Tensor, "network draw"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def to_frame(self) -> "DataFrame":
        """One row per network: means over units, and the lowest and highest of the random orders."""
        import polars as pl

        return pl.DataFrame(
            {
                "network": self.names,
                "best": self.best.double().nanmean(1).tolist(),
                "held": self.held.double().nanmean(1).tolist(),
                "null": self.null_best.double().mean(1).tolist(),
                "null_low": self.null_best.double().amin(1).tolist(),
                "null_high": self.null_best.double().amax(1).tolist(),
            }
        )

    def drawing(self) -> Drawing:
        """The mean best match in each network with the middle half of the units, and the same in random order."""
        low, high = (self.best.nanquantile(share, 1) for share in (0.25, 0.75))
        null = Series("pictures in random order", self.null_best.mean(1), self.null_best.amin(1), self.null_best.amax(1))
        series = [Series("best match", self.best.nanmean(1), low, high), Series("on the other half", self.held.nanmean(1))]
        note = sentences(["the band holds the middle half of the units", *self.notes])
        return lines(f"How well is {self.layer} matched?", "correlation", "network", self.names, series, control=null, note=note)


def _shares(values: Float[Tensor, " one"], edges: Float[Tensor, " edge"]) -> Float[Tensor, " bin"]:
    present = values[values.isfinite()].clamp(float(edges[0]), float(edges[-1]))
    return torch.histogram(present.float(), edges).hist / max(1, len(present))


def _known(value: Tensor) -> float | None:
    return None if bool(value.isnan()) else float(value)


def _name(layer: str, unit: Tensor) -> str:
    return "" if int(unit) < 0 else f"{layer}:{int(unit)}"
