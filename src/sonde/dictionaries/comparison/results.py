"""What two bases have in common: matches, splits, and what one has alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import compare as judged
from sonde.evidence import untestable
from sonde.results import CheckRefused, Drawing, Result, Verdict
from sonde.results.drawing import Points, scatter, table, tabs, violins

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model

MATCHED = 0.5
"""A latent is private where its best correlation is less."""
MOST_POINTS = 4000
MOST_ROWS = 30


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two bases, seen from the other.

    Arguments:
        firings: in how many of the activations each latent is active.
        match: the latent of the other basis whose activations correlate most.
        correlation: with it; nan for a latent that is active too rarely to tell.
        cosine: the angle to it, as a cosine; empty where the two have other widths or no directions.
        nearest: the greatest cosine with any latent of the other basis; empty likewise.
    """

    firings: Float[Tensor, " latent"]
    match: Int[Tensor, " latent"]
    correlation: Float[Tensor, " latent"]
    cosine: Float[Tensor, " _"]
    nearest: Float[Tensor, " _"]

    def private(self, least: float = MATCHED) -> Int[Tensor, " private"]:
        """The latents without a counterpart; those that are too rare to tell are none.

        Arguments:
            least: the correlation that a counterpart has.
        """
        return (self.correlation < least).nonzero().flatten()


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Two bases on the same tokens.

    Arguments:
        names: of the two.
        rows: how many activations both were seen on.
        first, second: each seen from the other.
        pairs: the one-to-one matching with the greatest sum of correlations, latents of the first and of the second; empty where there are too
            many to match.
        pair_correlation: of these pairs.
        mcc: mean abs(cosine) of the best one-to-one matching by angle; nan without angles, or with too many.
        controls: best correlations with what is no dictionary: of the first's latents with random directions and neurons that are active as often
            as the second's, and with the second's on other tokens; between two models also of their neurons.
        splits: pairs of a latent of the first and one of the second into which it splits.
        split_cosine: of these; nan without angles.
        split_cofiring: how often the first's is active where the second's is.
        model_hashes: of the models, where there were any.
        notes: what was decided or left out.
    """

    names: tuple[str, str]
    rows: int
    first: Side
    second: Side
    pairs: Int[Tensor, "pair 2"]
    pair_correlation: Float[Tensor, " pair"]
    mcc: float
    controls: Mapping[str, Float[Tensor, " _"]]
    splits: Int[Tensor, "split 2"]
    split_cosine: Float[Tensor, " split"]
    split_cofiring: Float[Tensor, " split"]
    model_hashes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def children(self, latent: int) -> Int[Tensor, " child"]:
        """The latents of the second basis into which one of the first splits.

        Arguments:
            latent: of the first.
        """
        return self.splits[self.splits[:, 0] == latent, 1]

    def to_frame(self) -> "DataFrame":
        """One row per latent of either basis."""
        import polars as pl

        frames = []
        for name, side in zip(self.names, (self.first, self.second), strict=True):
            n = len(side.firings)
            kept = side.correlation.nan_to_num(-1) >= MATCHED
            angles = {"cosine": side.cosine.tolist() or [None] * n, "nearest": side.nearest.tolist() or [None] * n}
            columns = {
                "basis": [name] * n, "latent": list(range(n)), "density": (side.firings / self.rows).tolist(), "match": side.match.tolist(),
                "correlation": side.correlation.tolist(), **angles, "matched": kept.tolist(),
                "children": torch.bincount(self.splits[:, 0], minlength=n).tolist() if side is self.first else [None] * n,
            }  # fmt: skip
            frames.append(pl.DataFrame(columns, schema_overrides={"cosine": pl.Float64, "nearest": pl.Float64, "children": pl.Int64}))
        return pl.concat(frames).with_columns(pl.col("correlation").fill_nan(None))

    def drawing(self) -> Drawing:
        """How well latents are found again beside the controls, which ones, and what splits."""
        a, b = self.names
        rows = {f"{a} in {b}": self.first.correlation, f"{b} in {a}": self.second.correlation, **self.controls}
        spread = violins(
            "Is it found again?", "correlation with the best counterpart", list(rows), [_known(each).tolist() for each in rows.values()],
            note=f"over {self.rows:,} activations; without a counterpart (below {MATCHED:g}): {len(self.first.private()):,} of {a}, "
            f"{len(self.second.private()):,} of {b}",
        )  # fmt: skip
        points = []
        for name, side in zip(self.names, (self.first, self.second), strict=True):
            known = side.correlation.isfinite().nonzero().flatten()
            known = known[torch.linspace(0, len(known) - 1, min(len(known), MOST_POINTS // 2)).long()] if len(known) else known
            logs = (side.firings[known] / self.rows).log10()
            points.append(Points(name, logs.tolist(), side.correlation[known].tolist(), labels=[f"latent {i}" for i in known.tolist()]))
        often = scatter("Are frequent ones found again?", "share of the activations, log10", "correlation with the best counterpart", points)
        return tabs(f"What do {a} and {b} have in common?", [("matches", spread), ("by frequency", often), ("splits", self.split_table())])

    def split_table(self) -> Drawing:
        """The latents of the first basis with most children."""
        a, b = self.names
        counts = torch.bincount(self.splits[:, 0], minlength=len(self.first.firings))
        most = [int(i) for i in counts.argsort(descending=True, stable=True)[:MOST_ROWS] if counts[i]]
        rows = [[i, int(counts[i]), " ".join(map(str, self.children(i)[:12].tolist()))] for i in most]
        note = f"{int((counts > 1).sum())} of {len(counts)} split into two or more"
        return table(f"What splits from {a} to {b}?", [f"latent of {a}", "children", f"latents of {b}"], rows, note=note)

    def check(self, model: "Model | None" = None, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Is the first basis found again in the second better than in each control?

        Arguments:
            model: a model that was compared; none where activations were given.
            args, kwargs: none.

        Raises:
            CheckRefused: another model.
        """
        if model is not None and model.hash not in self.model_hashes:
            raise CheckRefused(f"the model {model.hash[:8]} is none of those that were compared: compare again on this model")
        found = []
        for name, control in self.controls.items():
            claim, measure = f"{self.names[0]} is found again in {self.names[1]} better than {name}.", "correlation with the best counterpart"
            mine, source = self.first.correlation, "a counterpart correlates by half"
            if control.shape != mine.shape:  # neurons of two models are others than the latents: two groups, not pairs
                reason = "latents and neurons are not paired; see the drawing"
                found.append(untestable(claim, measure, reason, threshold=MATCHED, threshold_source=source))
                continue
            both = mine.isfinite() & control.isfinite()
            found.append(judged(claim, measure, mine[both], control[both], threshold=MATCHED, threshold_source=source))
        return found


def _known(values: Tensor) -> Tensor:
    return values[values.isfinite()]
