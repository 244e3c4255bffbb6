"""What the passing of many pictures leaves: those that excite units most and least, random ones at every level, counts, labels by level."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import wilson
from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import Control, Series, lines, picture_grid, tabs
from sonde.vision.fields import Box, Field
from sonde.vision.normalisation import Normalisation
from sonde.vision.sentences import sentence

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

    from sonde.access import Model


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pictures by number.

    Arguments:
        number: of each, -1 for none.
        value: the unit's there.
        place: row and column of that value on the unit's map; (0, 0) of a layer without places.
    """

    number: Int[Tensor, "*unit"]
    value: Float[Tensor, "*unit"]
    place: Int[Tensor, "*unit 2"]


@dataclass(frozen=True)
class Example:
    """One picture of one unit.

    Arguments:
        kind: "most", "least", "level" or "silent".
        level: the number of its level from 0, the lowest; -1 of other kinds.
        rank: among those of its kind and level, from 0.
        number: of the picture.
        value: the unit's.
        place: where on its map.
        box: the pixels that can reach it there: top, left, and the row and the column after the last.
    """

    kind: str
    level: int
    rank: int
    number: int
    value: float
    place: tuple[int, int]
    box: Box

    @property
    def key(self) -> str:
        """The picture and the box, as text."""
        return " ".join(map(str, (self.number, *self.box)))


@dataclass(frozen=True, eq=False, repr=False)
class DatasetExamples(Result):
    """When units fire on real pictures, over their whole range.

    Arguments:
        layer: of the units.
        units: by number.
        names: of the files, by picture; none of a tensor.
        count: how many pictures were looked at.
        field: the pixels that can reach a unit at each place.
        normalise: what was done to the pictures.
        most, least: the pictures with the largest and with the smallest values, of equal ones the first; (unit rank).
        edges: of each unit's levels, in rising order; NaN after the last.
        counts: pictures in each level; exact zeros are in none.
        at_level: random ones of them; (unit level draw).
        silent: random ones of those whose largest value is exactly zero; (unit draw).
        silences: how many these are.
        bins: how many pictures have their largest value in each bin; the middle edge is zero.
        width: of each unit's bins, a power of two; 0 of a unit that never left zero.
        labels: in order, where there are any.
        label_of: the number of each picture's label.
        by_label: pictures of each label in each level.
        broken: files that were left out, with the reason.
        crops: what the boxes show, for the pictured units, at most 64 pixels a side, from 0 to 255.
        pictured: the units of which pictures are kept.
        notes: what was decided or found on the way.
    """

    layer: str
    units: list[int]
    names: list[str]
    count: int
    field: Field
    normalise: Normalisation
    most: Drawn
    least: Drawn
    edges: Float[Tensor, "unit edge"]
    counts: Int[Tensor, "unit level"]
    at_level: Drawn
    silent: Drawn
    silences: Int[Tensor, " unit"]
    bins: Int[Tensor, "unit bin"]
    width: Float[Tensor, " unit"]
    labels: list[str]
    label_of: Int[Tensor, " picture"]
    by_label: Int[Tensor, "unit level label"]
    broken: dict[str, str]
    crops: dict[str, Tensor]
    pictured: list[int]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def density(self) -> Float[Tensor, " unit"]:
        """The share of pictures on which each unit's largest value is not exactly zero."""
        return 1 - self.silences / self.count

    def drawn(self, unit: int) -> Iterator[Example]:
        """The pictures of a unit: the most, its levels from the highest, the silent ones, the least.

        Arguments:
            unit: by number.

        Raises:
            InputError: one that was not asked for.
        """
        i = self._row(unit)
        yield from self._some("most", -1, self.most, (i,))
        for level in reversed(range(self.counts.shape[1])):
            yield from self._some("level", level, self.at_level, (i, level))
        yield from self._some("silent", -1, self.silent, (i,))
        yield from self._some("least", -1, self.least, (i,))

    def purity(self, unit: int) -> "tuple[str, DataFrame]":
        """The label that most of a unit's top pictures have, and its share at every level, beside its share among all pictures.

        Arguments:
            unit: by number.

        Returns:
            The label, and one row per level from the lowest: its edges, its pictures, the label's share with a 95 % interval, and the base rate.

        Raises:
            InputError: there are no labels.
        """
        import polars as pl

        if not self.labels:
            raise InputError("these pictures have no labels: give labels=")
        i = self._row(unit)
        label = self._label(self.most.number[i])
        base = float((self.label_of == label).double().mean())
        rows = []
        for level, count in enumerate(self.counts[i].tolist()):
            if torch.isnan(self.edges[i, level + 1]):
                break
            own = int(self.by_label[i, level, label])
            low, high = wilson(own, count) if count else (None, None)
            rows.append({"level": level, "from": float(self.edges[i, level]), "to": float(self.edges[i, level + 1]), "pictures": count,
                         "purity": own / count if count else None, "low": low, "high": high, "base": base})  # fmt: skip
        schema = {"level": pl.Int64, "from": pl.Float64, "to": pl.Float64, "pictures": pl.Int64, "purity": pl.Float64, "low": pl.Float64,
                  "high": pl.Float64, "base": pl.Float64}  # fmt: skip
        return self.labels[label], pl.DataFrame(rows, schema=schema)

    def to_frame(self) -> "DataFrame":
        """One row per unit and picture: of which kind and level it is, its value, and the pixels that reach it."""
        import polars as pl

        rows: list[dict[str, Any]] = []
        for unit in self.units:
            for one in self.drawn(unit):
                top, left, bottom, right = one.box
                rows.append(
                    {
                        "unit": unit, "kind": one.kind, "level": None if one.level < 0 else one.level, "rank": one.rank, "picture": one.number,
                        "name": self._name(one.number), "label": self.labels[int(self.label_of[one.number])] if self.labels else None,
                        "value": one.value, "row": one.place[0], "col": one.place[1], "top": top, "left": left, "bottom": bottom, "right": right,
                    }
                )  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def drawing(self) -> Drawing:
        """The pictures of the pictured units, the most exciting in the first rows, then level by level down to the silent and the least."""
        return self._tabbed([(f"{self.layer}:{unit}", self._grid(unit)) for unit in self.pictured], "When do they fire?")

    def histogram(self) -> Drawing:
        """How many pictures reach each value, for the pictured units, beside how many leave them silent."""
        drawings = []
        for unit in self.pictured:
            i = self._row(unit)
            filled = self.bins[i].nonzero()[:, 0]
            half = self.bins.shape[1] // 2
            start, end = (min(int(filled[0]), half), int(filled[-1]) + 1) if len(filled) else (half, half + 1)
            places = [f"{(place - half) * float(self.width[i]):.4g}" for place in range(start, end)]
            note = f"{int(self.silences[i])} of {self.count} pictures leave it exactly at zero and are not drawn."
            title = f"How strongly does {self.layer}:{unit} fire?"
            drawings.append(
                (
                    f"{self.layer}:{unit}",
                    lines(title, "pictures", "largest value, from", places, [Series("pictures", self.bins[i, start:end])], note=note),
                )
            )
        return self._tabbed(drawings, "How strongly do they fire?")

    def purities(self) -> Drawing:
        """The share of each pictured unit's label at every level, beside that label's share among all pictures.

        Raises:
            InputError: there are no labels.
        """
        drawings = []
        for unit in self.pictured:
            label, frame = self.purity(unit)
            places = [f"{one:.4g}" for one in frame["from"]] or ["0"]
            series = Series(f"share of {label}", *(list(frame[name]) or [None] for name in ("purity", "low", "high")))
            control = Control("all pictures", float((self.label_of == self.labels.index(label)).double().mean()))
            title = f"Does {self.layer}:{unit} mean {label} at every level?"
            drawings.append((f"{self.layer}:{unit}", lines(title, "share", "level, from", places, [series], control=control)))
        return self._tabbed(drawings, "Do they mean one thing at every level?")

    def check(self, model: "Model", pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path") -> list[Verdict]:
        """Test, for the pictured units, whether the boxes hold what drives them, and whether their label is more than the pick of the largest.

        Arguments:
            model: the network that was asked.
            pictures: those that were looked at.

        Raises:
            CheckRefused: the model is another one.
            InputError: other pictures.
        """
        from sonde.vision.example_checks import checked

        self.refuse_other(model)
        return checked(self, model, pictures)

    def _row(self, unit: int) -> int:
        if unit not in self.units:
            raise InputError(f"unit {unit!r} was not asked for: there are {len(self.units)} units, from {self.units[0]} to {self.units[-1]}")
        return self.units.index(unit)

    def _some(self, kind: str, level: int, drawn: Drawn, at: tuple[int, ...]) -> Iterator[Example]:
        for rank, number in enumerate(drawn.number[at].tolist()):
            if number >= 0:
                row, col = drawn.place[at][rank].tolist()
                yield Example(kind, level, rank, number, float(drawn.value[at][rank]), (row, col), self.field.box(row, col))

    def _label(self, numbers: Int[Tensor, " rank"]) -> int:
        """The label that most of some pictures have; of equally frequent ones that of the earlier picture."""
        return Counter(int(self.label_of[number]) for number in numbers if number >= 0).most_common(1)[0][0]

    def _name(self, number: int) -> str:
        return self.names[number] if self.names else str(number)

    def _grid(self, unit: int) -> Drawing:
        i, width = self._row(unit), self.silent.number.shape[1]
        rows: dict[str, list[Example]] = {}
        for one in self.drawn(unit):
            if one.kind == "least" and one.value == 0:
                continue  # a rectified unit: these are the silent ones
            if one.kind == "level":
                label = f"{float(self.edges[i, one.level]):.4g} to {float(self.edges[i, one.level + 1]):.4g} ({int(self.counts[i, one.level])})"
            elif one.kind == "silent":
                label = f"zero ({int(self.silences[i])})"
            else:
                label = f"{one.kind}, {one.rank // width * width + 1} on"
            rows.setdefault(label, []).append(one)
        said = [] if self.field.whole else ["Each picture is cut to the pixels that can reach the unit where it answers most."]
        said += ["In brackets: the pictures at that level, of which these are random ones.", *map(sentence, self.notes)]

        def each(of: Any, empty: Any) -> list[list[Any]]:
            return [[*map(of, row), *[empty] * (width - len(row))] for row in rows.values()]

        return picture_grid(
            f"When does {self.layer}:{unit} fire?", "value", each(lambda one: self.crops[one.key] / 255, None), row_name="value", rows=list(rows),
            col_name="picture", cols=[str(n + 1) for n in range(width)], values=each(lambda one: one.value, None),
            details=each(lambda one: Path(self._name(one.number)).stem, ""), note=" ".join(said),
        )  # fmt: skip

    def _tabbed(self, drawings: list[tuple[str, Drawing]], title: str) -> Drawing:
        return drawings[0][1] if len(drawings) == 1 else tabs(title, drawings)
