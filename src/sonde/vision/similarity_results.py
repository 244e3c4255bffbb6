"""What a comparison of layers returns: a measure of every pair, what it is by chance, and what on either half of the pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import CheckRefused, Drawing, Result, Verdict
from sonde.results.drawing import matrix, tabs
from sonde.vision.fields import Field
from sonde.vision.normalisation import Normalisation
from sonde.vision.sentences import sentences

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Similarity(Result):
    """How alike every layer of one network is to every layer of another.

    Arguments:
        model, other, other_hash: the networks by name, and the hash of the second.
        layers, other_layers: of each.
        measures: by name.
        values: of all pairs.
        null: the same with the other network's pictures in random order.
        halves: the same on each half of the pictures alone.
        units, other_units: of each layer.
        pictures, places, grid: how many pictures, and how many places of which grid in each.
        fields, other_fields: the receptive fields of the layers.
        normalise, other_normalise, size, other_size, samples: how they were shown.
        notes: what was decided or found on the way, and where chance raises a measure.
    """

    model: str
    other: str
    other_hash: str
    layers: list[str]
    other_layers: list[str]
    measures: list[str]
    values: Float[Tensor, "measure one other"]
    null: Float[Tensor, "measure draw one other"]
    halves: Float[Tensor, "measure two one other"]
    units: list[int]
    other_units: list[int]
    pictures: int
    places: int
    grid: tuple[int, int]
    fields: list[Field]
    other_fields: list[Field]
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

    def to_frame(self) -> "DataFrame":
        """One row per measure and pair of layers: its value, the lowest and highest in random order, and its values on both halves."""
        import polars as pl

        rows = [
            {
                "measure": measure, "layer": layer, "other_layer": other, "value": float(self.values[m, i, j]),
                "null_low": float(self.null[m, :, i, j].amin()), "null_high": float(self.null[m, :, i, j].amax()),
                "first_half": float(self.halves[m, 0, i, j]), "second_half": float(self.halves[m, 1, i, j]),
            }
            for m, measure in enumerate(self.measures)
            for i, layer in enumerate(self.layers)
            for j, other in enumerate(self.other_layers)
        ]  # fmt: skip
        return pl.DataFrame(rows).fill_nan(None)

    def drawing(self) -> Drawing:
        """For each measure a heat map, in which each cell tells what it is on each half, and beside it the one of the pictures in random order."""
        maps = []
        for m, measure in enumerate(self.measures):
            maps += [(words(measure), self._map(m)), (f"{words(measure)}, random order", self._by_chance(m))]
        return tabs("Which layers say the same?", maps)

    def check(
        self, model: Model, other: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", draws: int = 8, seed: int = 0,
        batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
    ) -> list[Verdict]:  # fmt: skip
        """Test for each layer whether the layer most like it is so beyond chance, and by what was learnt: debiased CKA on eight blocks of pictures.

        For each random order of the pictures, and each copy of the other network with shuffled filters, the most similar layer is chosen anew.

        Arguments:
            model, other: the networks that were compared.
            pictures: the same ones, or others; four for each block at least where layers have no places.
            draws: random orders, and networks with shuffled filters, at least 2.
            seed: of the blocks and the draws.
            batch_size: pictures at once.
            folder: keep finished batches there; a check that was interrupted goes on.
            progress: show a bar.

        Raises:
            CheckRefused: one of the models is another one.
        """
        from sonde.vision.similarity_checks import checked

        self.refuse_other(model)
        if other.hash != self.other_hash:
            raise CheckRefused(f"layers were compared with the model {self.other_hash[:8]}, and the other given is {other.hash[:8]}: compare anew")
        return checked(self, model, other, pictures, draws, seed, batch_size, folder, progress)

    def _map(self, m: int) -> Drawing:
        measure = self.measures[m]
        details = [
            [
                f"by chance {float(self.null[m, :, i, j].amin()):.3f} to {float(self.null[m, :, i, j].amax()):.3f}; halves "
                f"{float(self.halves[m, 0, i, j]):.3f}, {float(self.halves[m, 1, i, j]):.3f}"
                for j in range(len(self.other_layers))
            ]
            for i in range(len(self.layers))
        ]
        where = f" at {self.places} of {self.grid[0]} x {self.grid[1]} places in each" if self.grid != (0, 0) else ""
        chance = self.null[m].flatten()
        said = f"{self.pictures} pictures{where}. With pictures in random order {float(chance.min()):.3f} to {float(chance.max()):.3f}"
        note = sentences((said, *self.notes))
        other = "itself" if self.other_hash == self.recipe.model_hash else self.other
        return self._drawn(f"Which layers of {self.model} and {other} say the same?", measure, self.values[m], details, note)

    def _by_chance(self, m: int) -> Drawing:
        null = self.null[m]
        details = [
            [f"lowest {float(null[:, i, j].amin()):.3f}, highest {float(null[:, i, j].amax()):.3f}" for j in range(len(self.other_layers))]
            for i in range(len(self.layers))
        ]
        note = f"The mean of {len(null)} random orders: what is left hangs on the place in the picture alone, or on too few samples."
        return self._drawn("What is it with the pictures in random order?", self.measures[m], null.mean(0), details, note)

    def _drawn(self, title: str, measure: str, values: Float[Tensor, "one other"], details: list[list[str]], note: str) -> Drawing:
        return matrix(
            title, words(measure), values, row_name=self.model, rows=self.layers, col_name=self.other, cols=self.other_layers, details=details,
            scale="sequential", limit=1.0, zero="nothing shared", note=note,
        )  # fmt: skip


def words(measure: str) -> str:
    """A measure's name as it is written.

    Arguments:
        measure: as it is called.

    >>> words("debiased_cka")
    'debiased CKA'
    """
    return {"cka": "CKA", "debiased_cka": "debiased CKA", "svcca": "SVCCA", "pwcca": "PWCCA", "rsa": "RSA"}.get(measure, measure.replace("_", " "))
