"""Toy models that were trained, and what they say: how many features, in which geometry, against the linear model on the same inputs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import compare, corrected
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Control, Points, Series, lines, matrix, scatter, tabs
from sonde.superposition.toy.geometry import Solid, solids, told
from sonde.superposition.toy.measures import dimensionality, interference, represented
from sonde.superposition.toy.training import Setting

if TYPE_CHECKING:
    from polars import DataFrame

PLATEAUS = "Plateaus: 1 dedicated, 3/4 tetrahedron, 2/3 triangle, 1/2 digon, 2/5 pentagon, 3/8 square antiprism."
DRAWN = 8  # matrices and maps that are drawn at most
LARGEST_MATRIX = 40  # features


@dataclass(frozen=True, eq=False, repr=False)
class ToyModels(Result):
    """Toy models of several settings, each from several seeds; made by `toy_models`.

    Arguments:
        settings: of each row.
        W: the weights.
        b: the biases.
        loss: on inputs of their own, those of one setting on the same.
        relation: how the features went together.
    """

    settings: tuple[Setting, ...]
    W: Float[Tensor, "setting seed m n"]
    b: Float[Tensor, "setting seed n"]
    loss: Float[Tensor, "setting seed"]
    relation: str

    @property
    def best(self) -> Float[Tensor, "setting m n"]:
        """Of each setting the weights of the seed with the lowest loss."""
        return self.W[torch.arange(len(self.W)), self.loss.argmin(1)]

    @property
    def solids(self) -> list[list[Solid]]:
        """Of each setting the solids that the best model's features make."""
        return [solids(weights) for weights in self.best]

    @property
    def rectified(self) -> list[int]:
        """The settings with a ReLU."""
        return [i for i, one in enumerate(self.settings) if one.rectified]

    def to_frame(self) -> "DataFrame":
        """One row for each setting: the best model's features, dimensions per feature, and solids."""
        import polars as pl

        rows = [
            {
                "sparsity": one.sparsity, "model": _kind(one), "loss": float(self.loss[i].min()), "represented": int(represented(W).sum()),
                "squared_norm": float(W.square().sum()), "dimensions_per_feature": float(len(W) / W.square().sum()),
                "dimensionality": float(dimensionality(W)[represented(W)].mean()), "solids": told(found),
            }
            for i, (one, W, found) in enumerate(zip(self.settings, self.best, self.solids, strict=True))
        ]  # fmt: skip
        return pl.DataFrame(rows)

    def drawing(self) -> Drawing:
        """Dimensionality by sparsity, dimensions per feature, the interference of the best models and, in two dimensions, their maps."""
        drawn = [("dimensionality", self.by_sparsity()), ("dimensions per feature", self.per_feature())]
        if self.W.shape[-1] <= LARGEST_MATRIX:
            drawn += [(f"W^T W, {_name(self.settings[i])}", self.interference(i)) for i in self.rectified[:DRAWN]]
        if self.W.shape[-2] == 2:
            drawn.append(("map", self.plane()))
        return tabs("How do features share dimensions?", drawn)

    def by_sparsity(self) -> Drawing:
        """The dimensionality of every represented feature in the best model of each sparsity."""
        series = []
        for name in dict.fromkeys(_kind(one) for one in self.settings):
            chosen = [i for i, one in enumerate(self.settings) if _kind(one) == name]
            points = [
                (1 / (1 - self.settings[i].sparsity), float(share), f"S={self.settings[i].sparsity:g}, feature {j}: {told(self.solids[i])}")
                for i in chosen
                for j, share in enumerate(dimensionality(self.best[i]))
                if represented(self.best[i])[j]
            ]
            series.append(_points(name, points))
        return scatter("Which share of a dimension has each feature?", "1 / (1 - S)", "dimensionality D", series, note=PLATEAUS)

    def per_feature(self) -> Drawing:
        """Dimensions per feature of the best models, by sparsity; in the linear model no feature has less than one."""
        groups: dict[str, dict[float, float]] = {}
        for one, W in zip(self.settings, self.best, strict=True):
            groups.setdefault(_kind(one), {}).setdefault(1 / (1 - one.sparsity), float(len(W) / W.square().sum()))
        places = sorted({place for found in groups.values() for place in found})
        series = [Series(name, [found.get(place) for place in places]) for name, found in groups.items()]
        return lines(
            "How many dimensions has a feature?", "D* = m / |W|_F^2", "1 / (1 - S)", [f"{place:.3g}" for place in places], series,
            control=Control("one dimension each", 1.0),
        )  # fmt: skip

    def interference(self, setting: int) -> Drawing:
        """W^T W of a setting's best model, with the biases.

        Arguments:
            setting: its number.
        """
        W = self.best[setting]
        b = self.b[setting, int(self.loss[setting].argmin())]
        names = [str(i) for i in range(W.shape[1])]
        return matrix(
            f"Which features interfere at {_name(self.settings[setting])}?", "W_i . W_j", torch.cat([interference(W), b[:, None]], dim=1),
            row_name="feature", rows=names, col_name="feature", cols=[*names, "bias"], zero="orthogonal",
            note=f"Solids: {told(self.solids[setting])}.",
        )  # fmt: skip

    def plane(self) -> Drawing:
        """The features of models with two dimensions as rays from the origin."""
        drawn = []
        for i in self.rectified[:DRAWN]:
            rays = torch.stack([torch.zeros_like(self.best[i]), self.best[i]], dim=2).flatten(1)
            drawn.append(Points(f"{_name(self.settings[i])}: {told(self.solids[i])}", rays[0], rays[1], joined=True))
        return scatter("Where do the features lie?", "first dimension", "second dimension", drawn)

    def check(self) -> list[Verdict]:  # type: ignore[override]
        """Whether each rectified model holds more features than the linear one on the same inputs, which never has more than dimensions.

        The examples are the seeds; the measure is |W|_F^2, the number of features where each has length 1.
        """
        linear = {(one.sparsity, one.importance): self.W[i] for i, one in enumerate(self.settings) if not one.rectified}
        m = self.W.shape[-2]
        return corrected([
            compare(
                f"At sparsity {one.sparsity:g} the model holds more features than its {m} dimensions.", "features held, |W|_F^2",
                self.W[i].square().sum((1, 2)), linear[one.sparsity, one.importance].square().sum((1, 2)), threshold=1.05 * m,
                threshold_source="a twentieth more than there are dimensions",
            )
            for i, one in enumerate(self.settings)
            if one.rectified and (one.sparsity, one.importance) in linear
        ])  # fmt: skip


def _kind(setting: Setting) -> str:
    return "ReLU" if setting.rectified else "linear"


def _name(setting: Setting) -> str:
    return f"S={setting.sparsity:g}" + ("" if setting.rectified else ", linear")


def _points(name: str, points: list[tuple[float, float, str]]) -> Points:
    return Points(name, [p[0] for p in points], [p[1] for p in points], labels=[p[2] for p in points])
