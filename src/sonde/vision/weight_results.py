"""What `weights_between` returns: the filters of units on a layer before them, their partners in order, and how they are drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing, InputError, Result, Verdict, shown
from sonde.results.drawing import matrix, table
from sonde.vision.normalisation import Normalisation
from sonde.vision.sentences import sentences

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

    from sonde.access import Model

PARTNERS = 5  # on either side
MOST_CELLS = 128  # rows or columns of a matrix


@dataclass(frozen=True)
class Partner:
    """A unit by which another is excited or inhibited.

    Arguments:
        name: `LAYER:CHANNEL`.
        number: its channel of the source, or, of a partner that is fed, its unit.
        strength: the sum of the weights.
        excitation, inhibition: the sums of the positive and of the negative ones.
        contribution: strength times the mean activation of the one that feeds; NaN where no pictures were given.
    """

    name: str
    number: int
    strength: float
    excitation: float
    inhibition: float
    contribution: float


@dataclass(frozen=True, eq=False, repr=False)
class UnitWeights(Result):
    """How units are built from those of a layer before them.

    Arguments:
        layer: of the units, as it was asked for.
        site: where their values are, with the batch norm that was folded in.
        source: the site that they are built from.
        units: by number.
        labels: what the source's channels are called.
        weight: of every unit on every channel, over the places that reach it.
        bias: of every unit.
        corner: at the middle place, the source's row and column where the filters begin.
        middle: that place on the units' maps.
        stride: how far the filters move from place to place; `None` where they change on the way.
        passed: what was taken as linear and is not.
        activation: each channel's mean over places and pictures; NaN where none were given.
        count: of these pictures.
        normalise: what was done to them.
        size: of pictures, where it was stated.
        pictures: what units look for, by their names.
        notes: what was decided or found on the way.
    """

    layer: str
    site: str
    source: str
    units: list[int]
    labels: list[str]
    weight: Float[Tensor, "unit channel row col"]
    bias: Float[Tensor, " unit"]
    corner: tuple[int, int]
    middle: tuple[int, int]
    stride: tuple[int, int] | None
    passed: tuple[str, ...]
    activation: Float[Tensor, " channel"]
    count: int
    normalise: Normalisation | None
    size: int | tuple[int, int] | None = None
    pictures: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("corner", "middle", "stride", "passed", "size", "notes"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)

    @property
    def excitation(self) -> Float[Tensor, "unit channel"]:
        """The sum of the positive weights of every pair."""
        return self.weight.clamp(min=0).sum((2, 3))

    @property
    def inhibition(self) -> Float[Tensor, "unit channel"]:
        """The sum of the negative weights of every pair."""
        return self.weight.clamp(max=0).sum((2, 3))

    @property
    def strength(self) -> Float[Tensor, "unit channel"]:
        """The sum of all weights of every pair."""
        return self.weight.sum((2, 3))

    @property
    def contribution(self) -> Float[Tensor, "unit channel"]:
        """Strength times the channel's mean activation; NaN where no pictures were given."""
        return self.strength * self.activation

    @property
    def ranked_by(self) -> str:
        """By what partners are ranked: "contribution" where there were pictures, else "strength"."""
        return "contribution" if self.count else "strength"

    def name(self, unit: int) -> str:
        """What a unit is called.

        Arguments:
            unit: by number.
        """
        return f"{self.layer.removesuffix(':out')}:{unit}"

    def incoming(self, unit: int, n: int = PARTNERS, sign: int = 1) -> list[Partner]:
        """The channels that excite a unit most, or inhibit it most; fewer where there are not so many.

        Arguments:
            unit: by number.
            n: how many.
            sign: 1 for those that excite it, -1 for those that inhibit it.
        """
        row = self._row(unit)
        values = getattr(self, self.ranked_by)[row]
        return [self._partner(self.labels[i], i, row, i) for i in _first(values, n, sign)]

    def outgoing(self, channel: int, n: int = PARTNERS, sign: int = 1) -> list[Partner]:
        """The units that a channel of the source excites most, or inhibits most.

        Arguments:
            channel: of the source, by number.
            n: how many.
            sign: 1 for those that it excites, -1 for those that it inhibits.
        """
        if not 0 <= channel < len(self.labels):
            raise InputError(f"there is no channel {shown(channel)} at {self.source!r}: it has {len(self.labels)}")
        values = getattr(self, self.ranked_by)[:, channel]
        return [self._partner(self.name(self.units[i]), self.units[i], i, channel) for i in _first(values, n, sign)]

    def contributions(self, maps: Float[Tensor, "channel row col"], unit: int, row: int, col: int) -> Float[Tensor, " channel"]:
        """What every channel of the source adds to a unit at a place; with the bias their sum is the unit, where nothing on the way is no linear map.

        Arguments:
            maps: the source's, of one picture.
            unit: by number.
            row, col: the place on the unit's map.

        Raises:
            InputError: another place than the middle, where the filters change from place to place.
        """
        patch = self.patch(maps, row, col)
        return (self.weight[self._row(unit)] * patch).sum((1, 2))

    def patch(self, maps: Float[Tensor, "channel row col"], row: int, col: int) -> Float[Tensor, "channel height width"]:
        """What of the source's maps lies under the filters at a place; zeros beyond the border.

        Arguments:
            maps, row, col: as for `contributions`.
        """
        step = self.stride
        if step is None:
            if (row, col) != self.middle:
                raise InputError(f"the filters change from place to place: ask at the middle, {self.middle}")
            step = (0, 0)
        (kh, kw), moved = self.weight.shape[2:], (row - self.middle[0], col - self.middle[1])
        top, left = (self.corner[axis] + step[axis] * moved[axis] for axis in (0, 1))
        patch = maps.new_zeros(len(maps), kh, kw)
        rows, cols = (range(max(0, start), min(start + k, n)) for start, k, n in ((top, kh, maps.shape[1]), (left, kw, maps.shape[2])))
        if len(rows) and len(cols):
            inner = maps[:, rows.start : rows.stop, cols.start : cols.stop]
            patch[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = inner
        return patch

    def to_frame(self) -> "DataFrame":
        """One row per pair: the unit, the channel, strength, excitation, inhibition, the channel's mean activation, the contribution."""
        import polars as pl

        n, channels = len(self.units), len(self.labels)
        parts = {name: getattr(self, name).flatten() for name in ("strength", "excitation", "inhibition", "contribution")}
        return pl.DataFrame(
            {
                "unit": [unit for unit in self.units for _ in range(channels)],
                "source": self.labels * n,
                "channel": list(range(channels)) * n,
                **{name: _numbers(value) for name, value in parts.items()},
                "activation": _numbers(self.activation) * n,
            }
        )

    def drawing(self, unit: int | None = None, n: int = PARTNERS) -> Drawing:
        """A unit between those that excite and those that inhibit it; of several units, where none is named, the strength of every pair.

        Arguments:
            unit: by number; by default the one that was asked for, if it was one.
            n: partners on either side.
        """
        from sonde.vision.weight_drawings import partners_drawn

        if unit is None and len(self.units) > 1:
            return self.strengths()
        chosen = self.units[0] if unit is None else unit
        return partners_drawn(self, chosen, n)

    def fed(self, channel: int, n: int = PARTNERS) -> Drawing:
        """A channel of the source between the units that it excites and those that it inhibits.

        Arguments:
            channel: of the source, by number.
            n: partners on either side.
        """
        from sonde.vision.weight_drawings import fed_drawn

        return fed_drawn(self, channel, n)

    def table(self, unit: int, n: int = PARTNERS) -> Drawing:
        """A unit's partners with their numbers, those that excite it first.

        Arguments:
            unit: by number.
            n: partners on either side.
        """
        return self._table(f"Which units excite and inhibit {self.name(unit)}?", [self.incoming(unit, n, sign) for sign in (1, -1)])

    def fed_table(self, channel: int, n: int = PARTNERS) -> Drawing:
        """The units that a channel of the source excites and inhibits, with their numbers.

        Arguments:
            channel: of the source, by number.
            n: partners on either side.
        """
        sides = [self.outgoing(channel, n, sign) for sign in (1, -1)]
        return self._table(f"Which units does {self.labels[channel]} excite and inhibit?", sides)

    def strengths(self) -> Drawing:
        """The strength of every pair; of layers with many units the first ones that can be seen, said so."""
        rows, cols = (range(min(len(one), MOST_CELLS)) for one in (self.units, self.labels))
        cut = [
            f"the first {MOST_CELLS} of {len(one)} {what}"
            for one, what in ((self.units, "units"), (self.labels, "channels"))
            if len(one) > MOST_CELLS
        ]
        return matrix(
            f"How is {self.layer} built from {self.source}?", "sum of weights", self.strength[: len(rows), : len(cols)],
            row_name=self.layer, rows=[str(self.units[i]) for i in rows], col_name=self.source, cols=[self.labels[i] for i in cols],
            zero="neither excites nor inhibits", note=sentences((*cut, *self.notes)),
        )  # fmt: skip

    def with_pictures(self, pictures: Mapping[str, Float[Tensor, "channel row col"]]) -> "UnitWeights":
        """The same with pictures of what units look for, which are drawn beside their weights.

        Arguments:
            pictures: from 0 to 1, by the units' names.
        """
        return replace(self, pictures={**self.pictures, **pictures})

    def visualised(
        self, model: "Model", unit: int, n: int = PARTNERS, normalise: Normalisation | str | None = None, steps: int = 256, seed: int = 0,
        progress: bool = False,
    ) -> "UnitWeights":  # fmt: skip
        """The same with pictures that excite a unit and its partners most, as `show` finds them; where a source's channels are units with a name.

        Arguments:
            model: the network that was asked.
            unit: by number.
            n: partners on either side.
            normalise: of the pictures, where none was stated before.
            steps: of ascent.
            seed: of the starts.
            progress: show a bar.

        Raises:
            CheckRefused: the model is another one.
        """
        from sonde.vision.weight_drawings import looked_for

        self.refuse_other(model)
        return self.with_pictures(looked_for(self, model, unit, n, normalise, steps, seed, progress))

    def check(
        self, model: "Model", pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", units: Sequence[int] | None = None,
        k: int = PARTNERS, draws: int = 8, seed: int = 0, batch_size: int = 32, normalise: Normalisation | str | None = None,
    ) -> list[Verdict]:  # fmt: skip
        """Test whether partners do what their weights say, beside as many other channels; and whether composed weights hold where units fire.

        All claims are corrected for their number.

        Arguments:
            model: the network that was asked.
            pictures: from 0 to 1; others than those by which the partners were ranked say more.
            units: of the asked ones; the first four by default.
            k: partners that are removed together.
            draws: random sets of channels, and random orders of weights; at least 2.
            seed: of the draws.
            batch_size: pictures at once.
            normalise: of the pictures, where none was stated before.

        Raises:
            CheckRefused: the model is another one.
        """
        from sonde.evidence import corrected
        from sonde.vision.weight_checks import checked

        self.refuse_other(model)
        return corrected(checked(self, model, pictures, units, k, draws, seed, batch_size, normalise))

    def _row(self, unit: int) -> int:
        if unit not in self.units:
            raise InputError(f"unit {shown(unit)} of {self.layer} was not asked for: it is one of {shown(self.units)}")
        return self.units.index(unit)

    def _table(self, title: str, sides: list[list[Partner]]) -> Drawing:
        kept = 6 if self.count else 5
        named = [(side, one) for side, partners in zip(("excites", "inhibits"), sides, strict=True) for one in partners]
        rows = [[side, one.name, one.strength, one.excitation, one.inhibition, one.contribution][:kept] for side, one in named]
        return table(title, ["", "unit", "strength", "excitation", "inhibition", "mean contribution"][:kept], rows)

    def _partner(self, name: str, number: int, row: int, channel: int) -> Partner:
        slices = self.weight[row, channel].double()
        strength = float(slices.sum())
        return Partner(
            name, number, strength, float(slices.clamp(min=0).sum()), float(slices.clamp(max=0).sum()), strength * float(self.activation[channel])
        )


def _first(values: Float[Tensor, " one"], n: int, sign: int) -> list[int]:
    """Where the largest values of a sign are, the largest first."""
    if sign not in (1, -1):
        raise InputError(f"sign={shown(sign)}: give 1 for those that excite, or -1 for those that inhibit")
    order = (sign * values).sort(descending=True, stable=True)
    return [int(i) for value, i in zip(order.values[:n], order.indices[:n], strict=True) if float(value) > 0]


def _numbers(values: Tensor) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]
