"""How far a map moves when its input moves a little.

    max-sensitivity = max over delta of |phi(x + delta) - phi(x)| / |phi(x)|        (Yeh et al. 2019, "On the (in)fidelity and sensitivity ...")

A low value is no merit by itself: a constant map has 0, and where the model's own answer jumps, so should the map. The change of the metric under the
same moves stands beside it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.attribution.evaluation.removing import Method, refuse_tokens
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import bars

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Result):
    """How far maps and metric move with the input.

    Arguments:
        method: the method of attribution.
        radius: of the moves, in the input's own unit.
        change: |phi(x + delta) - phi(x)| / |phi(x)| for each move; NaN where all values are 0.
        metric_change: |F(x + delta) - F(x)| / |F(x)| likewise.
    """

    method: str
    radius: float
    change: Float[Tensor, "move example"]
    metric_change: Float[Tensor, "move example"]

    @property
    def max_sensitivity(self) -> Float[Tensor, " example"]:
        """The largest change of each example's map: a lower bound, which grows with the number of moves."""
        return self.change.amax(0)

    def to_frame(self) -> "DataFrame":
        """One row per example."""
        import polars as pl

        moves = len(self.change)
        columns = {
            "example": list(range(self.change.shape[1])),
            "max_sensitivity": self.max_sensitivity.tolist(),
            "mean_change": self.change.mean(0).tolist(),
            "error": (self.change.std(0) / moves**0.5).tolist(),
            "metric_change": self.metric_change.mean(0).tolist(),
        }
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """The changes of maps and metric as bars."""
        labels = ["map, the largest change", "map, the mean change", "metric, the mean change"]
        values = [float(part.nanmean()) for part in (self.max_sensitivity, self.change, self.metric_change)]
        note = f"{len(self.change)} moves of up to {self.radius:g} in every entry; means over {self.change.shape[1]} examples."
        return bars(f"Does {self.method} move with the input?", "share of its size", labels, values, zero="no change", note=note)


def max_sensitivity(
    model: Model,
    inputs: Float[Tensor, "example *axis"],
    method: Method,
    of: Metric,
    *,
    radius: float | None = None,
    moves: int = 10,
    seed: int = 0,
) -> Stability:
    """Move inputs at random within a cube and compare the maps.

    Arguments:
        model: a model of tables or pictures, given as a tensor.
        inputs: the table or the pictures.
        method: the method with its arguments bound.
        of: the metric.
        radius: half the side of the cube; by default 2 % of the range of the inputs.
        moves: how many are tried.
        seed: of the moves.

    Raises:
        InputError: inputs that are no floating-point tensor, fewer than 2 moves, or no radius.

    >>> import sonde
    >>> model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(4, 2)))
    >>> max_sensitivity(model, torch.randn(3, 4), sonde.attribution.gradient_x_input, sonde.tasks.Logit([0]), moves=2).change.shape
    torch.Size([2, 3])
    """
    refuse_tokens(inputs)
    radius = 0.02 * float(inputs.max() - inputs.min()) if radius is None else radius
    if not radius > 0 or moves < 2:
        raise InputError(f"radius={radius}, moves={moves}: give a radius above 0 and at least 2 moves")
    first = method(model, inputs, of=of)
    generator = torch.Generator().manual_seed(seed)
    changes, metric_changes = [], []
    for _ in track(range(moves), "moving the inputs"):
        moved = inputs + radius * (2 * torch.rand(inputs.shape, generator=generator) - 1).to(inputs)
        result = method(model, moved, of=of)
        changes.append((result.values - first.values).flatten(1).norm(dim=-1) / first.values.flatten(1).norm(dim=-1))
        metric_changes.append((result.metric - first.metric).abs() / first.metric.abs())
    change = torch.stack(changes)
    return Stability(
        first.method, radius, change.masked_fill(change.isinf(), torch.nan), torch.stack(metric_changes),
        recipe=Recipe.of(
            "sonde.attribution.evaluation.max_sensitivity", {"method": first.recipe.function, "radius": radius, "moves": moves},
            model_hash=model.hash, inputs=first.recipe.inputs_hash, seed=seed,
        ),
    )  # fmt: skip
