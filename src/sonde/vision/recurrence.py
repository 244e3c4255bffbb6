"""Which kinds of units recur in another network: the oriented ones, the coloured ones, a family of turned copies, or the others?

For the units of each kind, the share that has a counterpart, and how alike it is, beside the same with the other network's pictures in random order
(`sonde.vision.matching`). That units of orientation and colour recur, and later ones less, is a claim to be tested (Olah et al. 2020, "Zoom In").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import corrected
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import table
from sonde.vision.match_checks import controls, judged
from sonde.vision.match_results import UnitMatches
from sonde.vision.tuning import Tuning

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

OTHER = "other"


@dataclass(frozen=True, eq=False, repr=False)
class Recurrence(Result):
    """How well the units of each kind are matched in another network.

    Arguments:
        found: the matched units.
        kinds: by name.
        units: of each kind; dead ones among them.
        alive: those of them that can be matched.
        share, null_share: what part of these has a counterpart; and in each random order.
    """

    found: UnitMatches
    kinds: list[str]
    units: list[list[int]]
    alive: list[list[int]]
    share: Float[Tensor, " kind"]
    null_share: Float[Tensor, "kind draw"]

    def to_frame(self) -> "DataFrame":
        """One row per kind: its units, the share with a counterpart and the mean best match, each with its mean in random order."""
        import polars as pl

        best = [float(self.found.best[alive].mean()) if alive else None for alive in self.alive]
        null = [float(self.found.null_best[:, alive].mean()) if alive else None for alive in self.alive]
        return pl.DataFrame(
            {
                "kind": self.kinds,
                "units": [len(one) for one in self.units],
                "alive": [len(one) for one in self.alive],
                "recurring": self.share.double().tolist(),
                "by_chance": self.null_share.double().mean(1).tolist(),
                "correlation": best,
                "correlation_by_chance": null,
            },
            schema_overrides={"correlation": pl.Float64, "correlation_by_chance": pl.Float64},
        ).fill_nan(None)

    def drawing(self) -> Drawing:
        """The table, the kinds in their order."""
        columns = ["kind", "units", "of these alive", "with a counterpart", "by chance", "mean best match", "in random order"]
        rows = [list(row) for row in self.to_frame().rows()]
        return table(f"Which units of {self.found.layer} recur in {self.found.other_layer} of {self.found.other}?", columns, rows)

    def check(
        self, model: Model, other: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", draws: int = 8, seed: int = 0,
        batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
    ) -> list[Verdict]:  # fmt: skip
        """Test for each kind whether its units recur, on pictures that did not choose the partners, and by what the other network learnt.

        Arguments:
            model, other, pictures, draws, seed, batch_size, folder, progress: as for `UnitMatches.check`.

        Returns:
            Two verdicts for each kind, corrected for their number.

        Raises:
            CheckRefused: one of the models is another one.
        """
        self.refuse_other(model)
        beside = controls(self.found, model, other, pictures, draws, seed, batch_size, folder, progress)
        where = f"{self.found.other_layer} of {self.found.other}"
        each = [
            judged(beside, alive, f"Units of {self.found.layer} of the kind {kind!r}", where)
            for kind, alive in zip(self.kinds, self.alive, strict=True)
        ]
        return corrected([verdict for pair in each for verdict in pair])


def recurrence(found: UnitMatches, kinds: Mapping[str, Sequence[int]]) -> Recurrence:
    """How many units of each kind have a counterpart in the other network, and how many would by chance.

    Arguments:
        found: the matched units.
        kinds: units of the layer by the name of their kind, such as `kinds_of` tells it, or the members of families. A unit may be of several kinds;
            kinds without units are kept, and empty.

    Raises:
        InputError: no kinds, or a unit that the layer does not have.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> from sonde.vision import match_units
    >>> model = sonde.load("specimen:digits")
    >>> found = match_units(model, "blocks.0.act", model, "blocks.0.act", held_out()[0][:40], normalise="none")
    >>> recurrence(found, {"first half": range(8), "second half": range(8, 16)}).share.tolist()
    [1.0, 1.0]
    """
    if not isinstance(kinds, Mapping) or not kinds:
        raise InputError(f"kinds={shown(kinds)}: give units of {found.layer!r} by the name of their kind")
    for kind, units in kinds.items():
        for unit in units:
            if not isinstance(unit, int) or not 0 <= unit < len(found.best):
                raise InputError(f"kind {kind!r}: there is no unit {shown(unit)} at {found.layer!r}: it has {len(found.best)}")
    living = set(found.alive)
    each = [found.recurring(list(units)) for units in kinds.values()]
    recipe = Recipe.of("sonde.vision.recurrence", {"kinds": {str(kind): list(units) for kind, units in kinds.items()}},
                       model_hash=found.recipe.model_hash, inputs=[found.recipe.inputs_hash, found.correlation], seed=found.recipe.seed)  # fmt: skip
    return Recurrence(
        found=found, kinds=[str(kind) for kind in kinds],
        units=[list(units) for units in kinds.values()], alive=[[unit for unit in units if unit in living] for units in kinds.values()],
        share=torch.tensor([share for share, _ in each]), null_share=torch.stack([null for _, null in each]), recipe=recipe,
    )  # fmt: skip


def kinds_of(model: Model, tunings: Mapping[str, Tuning], draws: int = 8, seed: int = 0, batch_size: int = 64) -> dict[str, list[int]]:
    """The units of a layer by what they are tuned to, each beside its own filter in random order; those that pass no test are "other".

    Arguments:
        model: the network that was asked.
        tunings: measurements of the same units of one layer by the name of a kind, such as {"orientation": of gratings, "colour": of colours}.
        draws, seed, batch_size: as for `Tuning.check`.

    Returns:
        Units by kind; those that pass several tests by all of their names.

    Raises:
        InputError: no tunings, or of different units.

    >>> import sonde
    >>> from sonde.vision import gratings, tuning
    >>> model = sonde.load("specimen:digits")
    >>> found = tuning(model, "blocks.0.act", gratings(8, [1 / 4], range(0, 180, 30), channels=1), range(8), normalise="none")
    >>> sum(map(len, kinds_of(model, {"orientation": found}, draws=2).values()))
    8
    """
    if not isinstance(tunings, Mapping) or not tunings:
        raise InputError(f"tunings={shown(tunings)}: give measurements by the name of a kind")
    first = next(iter(tunings.values()))
    if any((one.layer, one.units) != (first.layer, first.units) for one in tunings.values()):
        raise InputError("the tunings are of different units: measure the same units of one layer for each kind")
    passed: dict[int, list[str]] = {unit: [] for unit in first.units}
    for name, one in tunings.items():
        for unit, verdict in zip(one.units, one.check(model, one.units, draws, seed, batch_size), strict=True):
            if verdict.holds:
                passed[unit].append(str(name))
    kinds: dict[str, list[int]] = {str(name): [] for name in tunings}
    for unit, names in passed.items():
        kinds.setdefault(" and ".join(names) or OTHER, []).append(unit)
    return kinds
