"""What models of attention alone make of a text, by their depth."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, t_interval, untestable
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Control, Series, bars, lines, table, tabs
from sonde.weights.attention_only.score import in_context_score
from sonde.weights.attention_only.tables import KINDS
from sonde.weights.results import HeadScores

if TYPE_CHECKING:
    from polars import DataFrame

SCORE = "in-context score, nats per token"
NATS = "nats per token"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionOnly(Result):
    """Models of several depths on the same held-out rows.

    Arguments:
        text: what they were trained on.
        layers: of each model.
        losses: of each token but the first, in nats.
        kinds: of each token: new in its row, said before, or said before after the same token.
        tables: what is told without any network, and
        table_losses: its losses.
        curves: the training losses, from the beginning to the end of
        steps: so many updates.
        scores: of the heads of the deepest model; `None` where they cannot be measured.
        heads: its induction heads.
        without: the in-context scores without these heads, then without as many random ones.
        reason: why nothing was taken out; empty where something was.
    """

    text: str
    layers: list[int]
    losses: Float[Tensor, "model row pos"]
    kinds: Int[Tensor, "row pos"]
    tables: list[str]
    table_losses: Float[Tensor, "table row pos"]
    curves: Float[Tensor, "model look"]
    steps: int
    scores: HeadScores | None
    heads: list[str]
    without: Float[Tensor, "set row"]
    reason: str

    @property
    def names(self) -> list[str]:
        """Of each model: "no layer", "1 layer", "2 layers"."""
        return [f"{n or 'no'} layer{'s' if n > 1 else ''}" for n in self.layers]

    @property
    def in_context(self) -> Float[Tensor, "model row"]:
        """The in-context score of every model on every row; below zero it uses the context."""
        return torch.stack([in_context_score(losses) for losses in self.losses])

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether the deepest model uses the context more than the next, and whether its induction heads carry that."""
        found, intact = [], self.in_context
        if len(self.layers) > 1:
            found.append(
                compare(
                    f"On this text {self.names[-1]} use the context more than {self.names[-2]}.", f"{SCORE}; control: {self.names[-2]}", intact[-1],
                    intact[-2], direction="less", threshold=0.0, threshold_source="a context that doesn't help",
                )
            )  # fmt: skip
        claim, source = "Induction heads carry what the context is worth.", "half of the score: a convention"
        measure = "in-context score lost without them, share; control: as many random heads"
        worth = -intact[-1].mean()
        if self.reason or worth <= 0:
            reason = self.reason or f"the context doesn't help {self.names[-1]} ({float(worth):+.2f} nats per token)"
            return [*found, untestable(claim, measure, reason, threshold=0.5, threshold_source=source)]
        lost = (self.without - intact[-1]) / worth
        return [*found, compare(claim, measure, lost[0], lost[1:], threshold=0.5, threshold_source=source)]

    def to_frame(self) -> "DataFrame":
        """One row per model, or table, and place: the mean loss with its interval."""
        import polars as pl

        rows = [
            (name, place + 1, float(column.mean()), *t_interval(column))
            for name, losses in zip([*self.names, *self.tables], torch.cat([self.losses, self.table_losses]), strict=True)
            for place, column in enumerate(losses.T)
        ]
        return pl.DataFrame(rows, ["model", "place", "loss", "low", "high"], orient="row")

    def drawing(self) -> Drawing:
        """Loss by place, the score, what is left without heads, loss by what stood before, and the training: each behind a tab."""
        parts = [("loss by place", self.by_place()), ("in-context score", self.score_bars()), ("by what stood before", self.by_kind())]
        parts += [("without heads", self.without_bars())] if self.heads else []
        parts += [("training", self.training())] if self.curves.shape[1] else []
        return tabs("What does each layer of attention add?", parts, note=f"{self.losses.shape[1]} held-out rows of {self.text}.")

    def by_place(self) -> Drawing:
        """The loss at every place of a row, beside that of a bigram table."""
        places = list(range(1, self.losses.shape[2] + 1))
        series = []
        for name, losses in zip(self.names, self.losses, strict=True):
            low, high = zip(*(t_interval(column) for column in losses.T), strict=True)
            series.append(Series(name, losses.mean(0), low, high))
        bigrams = Series("bigrams", self.table_losses[self.tables.index("bigrams")].mean(0))
        return lines("How does the loss fall along a row?", NATS, "place", places, series, control=bigrams)

    def score_bars(self) -> Drawing:
        """The in-context score of each model."""
        scores = self.in_context
        return bars(
            "What is the context worth?", SCORE, self.names, scores.mean(1), intervals=[t_interval(one) for one in scores],
            zero="context doesn't help", note="Loss at the end of a row less that near its beginning.",
        )  # fmt: skip

    def by_kind(self) -> Drawing:
        """The loss of each model and table on tokens that are new, that stood before, and that stood before after the same token."""
        shares = [float((self.kinds == kind).float().mean()) for kind in range(len(KINDS))]
        rows = [
            [name, float(losses.mean()), *(float(losses[self.kinds == kind].mean()) if shares[kind] else None for kind in range(len(KINDS)))]
            for name, losses in zip([*self.tables, *self.names], [*self.table_losses, *self.losses], strict=True)
        ]
        columns = ["", "all tokens", *(f"{kind} ({share:.0%})" for kind, share in zip(KINDS, shares, strict=True))]
        return table("Which tokens does each know?", columns, rows, unit=NATS, note="No layer is a bigram table; two can find what followed before.")

    def without_bars(self) -> Drawing:
        """The in-context score intact, without induction heads, and without random ones."""
        named, random = f"without {', '.join(self.heads)} (induction)", self.without[1:].mean(1)
        shown = [("intact", self.in_context[-1]), (named, self.without[0])]
        return bars(
            f"What is left without induction heads ({self.names[-1]})?", SCORE, [name for name, _ in shown], [float(one.mean()) for _, one in shown],
            intervals=[t_interval(one) for _, one in shown],
            control=Control("as many random heads", float(random.mean()), (float(random.min()), float(random.max()))),
            zero="context doesn't help",
        )  # fmt: skip

    def training(self) -> Drawing:
        """The training loss of each model."""
        ends = [round((i + 1) * self.steps / self.curves.shape[1]) for i in range(self.curves.shape[1])]
        series = [Series(name, curve) for name, curve in zip(self.names, self.curves, strict=True)]
        return lines("How do they learn?", NATS, "update", ends, series, spacing="linear")

    def check(self, model: Model) -> list[Verdict]:
        """What depth and induction heads add: `verdicts`.

        Arguments:
            model: the deepest of the models.
        """
        self.refuse_other(model)
        return self.verdicts
