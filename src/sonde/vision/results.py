"""What feature visualisation and Deep Dream return: pictures, what they reached, and how they came about."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Series, lines, picture_grid
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import Objective
from sonde.vision.sentences import sentences
from sonde.vision.setting import Setting

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model

COLUMNS = 4  # of a grid of objectives with a picture each
MOST_LINES = 8


@dataclass(frozen=True, eq=False, repr=False)
class Visualisation(Result):
    """The pictures that make objectives as large as they can.

    Arguments:
        names: what is sought.
        group: for each picture the objective that it belongs to.
        pictures: from 0 to 1, red first.
        reached: each picture's objective, on the picture itself, without transforms.
        terms: for each picture the terms of its objective by name, without their weights.
        trace: each objective at every step, of the transformed pictures.
        starts: what each start came to, of the best of which the pictures are.
        snapshots: the pictures on the way, where they were asked for.
        dead: of each objective, whether no true gradient ever reached its pictures.
        percentiles: the share of a dataset's pictures that excite less, in percent; NaN where none was given.
        objectives: what was sought, as values.
        setting: how.
        notes: what was decided or found on the way.
    """

    names: list[str]
    group: list[int]
    pictures: Float[Tensor, "picture channel row col"]
    reached: Float[Tensor, " picture"]
    terms: list[dict[str, float]]
    trace: Float[Tensor, "objective step"]
    starts: Float[Tensor, "objective start"]
    snapshots: Float[Tensor, "snapshot picture channel row col"]
    dead: list[bool]
    percentiles: Float[Tensor, " picture"]
    objectives: list[Objective]
    setting: Setting
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def to_frame(self) -> "DataFrame":
        """One row per picture: its objective, what it reached, how that stands among a dataset's pictures."""
        import polars as pl

        return pl.DataFrame(
            {
                "objective": [self.names[i] for i in self.group],
                "picture": self._numbers(),
                "reached": self.reached.tolist(),
                "percentile": [None if math.isnan(one) else one for one in self.percentiles.tolist()],
                "dead": [self.dead[i] for i in self.group],
                "started_at": [float(self.trace[i, 0]) if self.trace.shape[1] else None for i in self.group],
            }
        )

    def drawing(self, columns: int = COLUMNS) -> Drawing:
        """The pictures in a grid, each over what it reached: a row for each objective where it has several or snapshots, else side by side.

        Arguments:
            columns: how many objectives stand side by side.
        """
        numbers, shots = self._numbers(), list(self.setting.snapshots)
        note = sentences((self._made(), *self.notes))
        title = "What do they look for?" if len(self.names) > 1 else f"What does {self.names[0]} look for?"
        if shots:
            rows = [f"{self.names[i]}{f' ({number})' if number else ''}" for i, number in zip(self.group, numbers, strict=True)]
            cells = [[*self.snapshots[:, i], self.pictures[i]] for i in range(len(rows))]
            values: list[list[float | None]] = [[*[None] * len(shots), float(one)] for one in self.reached]
            details = [[*[""] * len(shots), self._said(i)] for i in range(len(rows))]
            cols = [f"step {step}" for step in shots] + [f"step {self.setting.steps}"]
            return picture_grid(title, "objective", cells, row_name="objective", rows=rows, col_name="on the way", cols=cols, values=values,
                                details=details, note=note)  # fmt: skip
        if any(numbers):
            width = max(numbers) + 1
            own = [[i for i, group in enumerate(self.group) if group == objective] for objective in range(len(self.names))]
            return self._grid(title, own, self.names, "objective", "picture", width, note, named=False)
        width = min(columns, len(self.names))
        own = [list(range(i, min(i + width, len(self.names)))) for i in range(0, len(self.names), width)]
        return self._grid(title, own, [f"{part[0] + 1} to {part[-1] + 1}" for part in own], "objectives", "side by side", width, note, named=True)

    def _grid(
        self, title: str, rows: list[list[int]], labels: list[str], row_name: str, col_name: str, width: int, note: str, named: bool
    ) -> Drawing:  # fmt: skip
        """A grid of pictures by their numbers; the last row may be shorter."""
        padded = [[*row, *[-1] * (width - len(row))] for row in rows]

        def each(said: Any, empty: Any) -> list[list[Any]]:
            return [[empty if i < 0 else said(i) for i in row] for row in padded]

        words = each(lambda i: f"{self.names[self.group[i]]}; {self._said(i)}".strip("; ") if named else self._said(i), "")
        return picture_grid(
            title, "objective", each(lambda i: self.pictures[i], None), row_name=row_name, rows=labels, col_name=col_name,
            cols=[str(i + 1) for i in range(width)], values=each(lambda i: float(self.reached[i]), None), details=words, note=note,
        )  # fmt: skip

    def course(self) -> Drawing:
        """How the objectives rose, step by step; the first eight."""
        steps = self.trace.shape[1]
        note = f"The first {MOST_LINES} of {len(self.names)}." if len(self.names) > MOST_LINES else ""
        series = [Series(name, self.trace[i]) for i, name in enumerate(self.names[:MOST_LINES])]
        return lines("How did the objectives rise?", "objective under transforms", "step", [str(i) for i in range(steps)], series, note=note)

    def check(self, model: "Model", copies: int = 16, draws: int = 4, seed: int = 0) -> list[Verdict]:
        """Test whether the pictures hold what the network's units look for: when they are shifted, and beside networks with shuffled weights.

        Arguments:
            model: the network that was asked.
            copies: random shifts of each picture.
            draws: networks with shuffled weights, for which pictures are sought in the same way; 0 leaves that test out.
            seed: of the draws.

        Raises:
            CheckRefused: the model is another one.
        """
        from sonde.vision.checks import checked

        self.refuse_other(model)
        return checked(self, model, copies, draws, seed)

    def _numbers(self) -> list[int]:
        """The number of each picture among those of its objective, from 0."""
        return [self.group[:i].count(group) for i, group in enumerate(self.group)]

    def _said(self, i: int) -> str:
        parts = []
        if self.dead[self.group[i]]:
            parts.append("dead: no gradient")
        if len(self.terms[i]) > 1:
            parts += [f"{name} {value:.3g}" for name, value in self.terms[i].items()]
        share = float(self.percentiles[i])
        if not math.isnan(share):
            parts.append("above all other pictures" if share == 100 else f"above {share:.3g} % of pictures")
        return "; ".join(parts)

    def _made(self) -> str:
        of, seen = self.setting.of, ", ".join(type(one).__name__.lower() for one in self.setting.transforms) or "none"
        return f"{type(of).__name__}, {of.colours} colours, {self.setting.steps} steps, transforms: {seen}"


@dataclass(frozen=True, eq=False, repr=False)
class Dream(Result):
    """A picture, and what a layer reads into it.

    Arguments:
        name: the objective.
        before: the picture, from 0 to 1.
        after: the dream.
        octaves: the picture with what was added up to each octave, the coarsest first, at that octave's size.
        trace: the objective at every step of every octave.
        reached: the objective of the picture before and after.
        moved: whether any gradient reached the picture.
        objective: what was sought, as a value.
        normalise: what was done to the picture before the network saw it.
        notes: what was decided or found on the way.
    """

    name: str
    before: Float[Tensor, "channel row col"]
    after: Float[Tensor, "channel row col"]
    octaves: list[Tensor]
    trace: Float[Tensor, "octave step"]
    reached: tuple[float, float]
    moved: bool
    objective: Objective
    normalise: Normalisation
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "reached", tuple(self.reached))

    def to_frame(self) -> "DataFrame":
        """One row per step: its octave, its number, the objective there."""
        import polars as pl

        octaves, steps = self.trace.shape
        return pl.DataFrame(
            {
                "octave": [octave for octave in range(octaves) for _ in range(steps)],
                "step": list(range(steps)) * octaves,
                "objective": self.trace.flatten().tolist(),
            }
        )

    def drawing(self) -> Drawing:
        """Before, the octaves, after."""
        note = sentences(self.notes)
        cols = ["before", *(f"octave {i + 1}" for i in range(len(self.octaves) - 1)), "after"]
        shown = [self.before, *self.octaves[:-1], self.after]
        values: list[float | None] = [self.reached[0], *[None] * (len(shown) - 2), self.reached[1]]
        return picture_grid(
            f"What does {self.name} read into the picture?", "objective", [shown], row_name="objective", rows=[self.name], col_name="dreaming",
            cols=cols, values=[values], opened=(0, len(cols) - 1), note=note,
        )  # fmt: skip

    def check(self, model: "Model", draws: int = 8, seed: int = 0) -> list[Verdict]:
        """Test whether the dream is the objective's: changes of the same size and spectrum, but random phases, must raise it less.

        Arguments:
            model: the network that was asked.
            draws: random changes.
            seed: of the draws.

        Raises:
            CheckRefused: the model is another one.
        """
        from sonde.vision.checks import dreamt

        self.refuse_other(model)
        return dreamt(self, model, draws, seed)
