"""No free lunch: which share of the examples goes against a neuron's hypothesis, by how strongly it fires, before the norm and after it.

SoLU leaves strong firings to one feature, and hides others among weak ones. A norm divides each token's activations by their common size: where no
neuron is strong, weak ones become as large as the strong ones elsewhere: what hid below is read by the network (Elhage et al. 2022, "Softmax linear
units", section "LayerNorm complicates things").
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.evidence import compare
from sonde.evidence.intervals import t_interval
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

EDGES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the levels, as shares of a neuron's highest activation; what is below the first counts as silent."""


@dataclass(frozen=True, eq=False, repr=False)
class Inconsistency(Result):
    """The share of examples against the hypothesis; made by `inconsistency`.

    Arguments:
        before: before the norm; nan where a neuron has no example of this level.
        after: after it.
    """

    before: Float[Tensor, "level neuron"]
    after: Float[Tensor, "level neuron"]

    def to_frame(self) -> "DataFrame":
        """One row for each level."""
        import polars as pl

        means = zip(self.before.nanmean(1).tolist(), self.after.nanmean(1).tolist(), strict=True)
        rows = [(*ends, *both) for ends, both in zip(pairwise(EDGES), means, strict=True)]
        return pl.DataFrame(rows, ["from", "to", "before", "after"], orient="row")

    def drawing(self) -> Drawing:
        """Both curves, the means over neurons with their intervals."""
        return lines(
            "Do weak firings mean something else?", "share of examples against the hypothesis", "share of its highest",
            [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)],
            [_series("before the norm", self.before), _series("after the norm", self.after)],
        )  # fmt: skip

    def check(self) -> list[Verdict]:  # type: ignore[override]
        """Whether weak firings go against the hypothesis more often after the norm than before it; the examples are the neurons."""
        kept = ~(self.before[0].isnan() | self.after[0].isnan())
        return [
            compare(
                "The norm lifts examples of something else to where weak firings are.", "share of weak firings against the hypothesis",
                self.after[0][kept], self.before[0][kept], threshold=0.0, threshold_source="none: the claim is the difference",
            )
        ]  # fmt: skip


def inconsistency(
    before: Float[Tensor, "token neuron"], after: Float[Tensor, "token neuron"], holds: Bool[Tensor, "token neuron"]
) -> Inconsistency:  # fmt: skip
    """Compare the firings that go against the neurons' hypotheses before and after a norm.

    Arguments:
        before: activations before it.
        after: those after it.
        holds: whether a neuron's hypothesis holds at a token.

    Raises:
        InputError: tables of different shapes, or not finite.
    """
    if before.shape != after.shape or before.shape != holds.shape or not (before.isfinite() & after.isfinite()).all():
        shapes = ", ".join(str(tuple(one.shape)) for one in (before, after, holds))
        raise InputError(f"activations and hypotheses of {shapes}: give finite ones of the same tokens and neurons")
    recipe = Recipe.of("sonde.superposition.inconsistency", {}, model_hash=content_hash([before, after]), inputs=[before, after, holds])
    return Inconsistency(_against(before, holds), _against(after, holds), recipe=recipe)


def _against(x: Float[Tensor, "token neuron"], holds: Bool[Tensor, "token neuron"]) -> Float[Tensor, "level neuron"]:
    relative = x / x.amax(0).clamp_min(torch.finfo(x.dtype).tiny)
    levels = [(relative > low) & (relative <= high) for low, high in pairwise(EDGES)]
    # a quotient without examples is 0 / 0, nan
    return torch.stack([(level & ~holds).sum(0) / level.sum(0) for level in levels])


def _series(name: str, values: Float[Tensor, "level neuron"]) -> Series:
    present = [row[~row.isnan()] for row in values]
    ends = [t_interval(row) if len(row) > 1 else (float("nan"), float("nan")) for row in present]
    return Series(name, values.nanmean(1), [low for low, _ in ends], [high for _, high in ends])
