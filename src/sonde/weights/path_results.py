"""Paths as results: what each adds to one prediction, and what each kind is worth on a text."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, random_sets, untestable
from sonde.jobs import track
from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import Series, bars, lines, matrix, table, tabs, waterfall
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

HELD = "Attention patterns and scales of norms are held as they were."
SHOWN = 24
MEASURE = "loss without the paths of this kind, nats per token; control: the loss of the model"
THRESHOLD_SOURCE = "a tenth of a nat above the model's loss: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class Paths(Result):
    """What every path adds to one prediction.

    Arguments:
        tokens: the prompt.
        target: the token asked about.
        foil: the token that it is compared with; empty where that is all tokens.
        terms: the paths: sources, heads ("1.2"), virtual heads ("0.1 > 1.2"), and those of higher orders together.
        orders: heads on each path.
        values: what each adds to the target's logit less the foil's (or the mean of all).
        total: what the model itself has there.
    """

    tokens: list[str]
    target: str
    foil: str
    terms: list[str]
    orders: list[int]
    values: Float[Tensor, " term"]
    total: float

    @property
    def by_order(self) -> dict[int, float]:
        """What the paths of each order add together."""
        orders = torch.tensor(self.orders)
        return {k: float(self.values[orders == k].sum()) for k in sorted(set(self.orders))}

    def to_frame(self) -> "DataFrame":
        """One row per path, the largest first."""
        import polars as pl

        frame = pl.DataFrame({"path": self.terms, "order": self.orders, "value": self.values.tolist()})
        return frame.sort(pl.col("value").abs(), descending=True)

    def drawing(self) -> Drawing:
        """The largest paths as steps to the total, and the orders."""
        frame = self.to_frame()
        than = repr(self.foil) if self.foil else "the mean of all tokens"
        title = f"Which paths prefer {self.target!r} to {than}?"
        head = frame.head(SHOWN)
        rest = [("all other paths", float(frame["value"][SHOWN:].sum()))] if frame.height > SHOWN else []
        names, amounts = [*head["path"], *(name for name, _ in rest)], [*head["value"], *(value for _, value in rest)]
        steps = waterfall(title, "logits", names, amounts, total=self.total, zero="as likely as the other", note=HELD)
        orders = bars(title, "logits", [_order(k) for k in self.by_order], list(self.by_order.values()), note=HELD)
        return tabs(title, [("paths", steps), ("orders", orders)])

    def strongest(self, k: int) -> list[str]:
        """The paths that speak most for the target.

        Arguments:
            k: how many.
        """
        return [self.terms[i] for i in self.values.topk(min(k, len(self.terms))).indices.tolist()]

    def check(self, model: Model, task: Task, k: int = 5, sets: int = 20, seed: int = 0, progress: bool = False) -> list[Verdict]:
        """Whether the paths that speak most for the target here carry the preference on other prompts, more than random sets of as many paths do.

        Arguments:
            model: the model that was read.
            task: other prompts, each with its own answer and wrong answer.
            k: how many of the strongest paths.
            sets: how many random sets make the control.
            seed: of the sets.
            progress: show it in a terminal.
        """
        from sonde.weights.paths import paths

        self.refuse_other(model)
        linear, chosen = bool(self.recipe.arguments["linear"]), self.strongest(k)
        rows = []
        for row, right, wrong in track(list(zip(task.clean, task.answers, task.wrongs, strict=True)), "other prompts", shown=progress):
            one = paths(model, list(row), right[0], wrong[0], linear)
            rows.append((dict(zip(one.terms, one.values.tolist(), strict=True)), one.total))
        drawn = random_sets(self.terms, len(chosen), sets, seed)
        carried = torch.tensor([[sum(values.get(name, 0.0) for name in names) for values, _ in rows] for names in (chosen, *drawn)])
        total = sum(total for _, total in rows) / max(1, len(rows))
        claim = f"{', '.join(chosen)} carry the preference on other prompts, too."
        measure = "what they add to the right answer's logit less the wrong one's; control: random sets of as many paths"
        told = {"threshold": total / 2, "threshold_source": "half of the mean preference: a convention"}
        if total <= 0:
            return [untestable(claim, measure, f"the model does not prefer the right answers there ({total:+.2f} logits)", **told)]  # type: ignore[arg-type]
        return [compare(claim, measure, carried[0], carried[1:], **told)]  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False, repr=False)
class PathImportance(Result):
    """What each kind of path is worth on a text.

    Arguments:
        groups: the kinds, then every path that has a name.
        norms: how large what each adds to the stream is, in the mean over positions.
        without: the loss where it is taken out, nats per token.
        alone: the loss where nothing else reaches the unembedding.
        up_to: the loss with all paths of an order up to this one.
        full: the loss with all of them: the model's own.
        d_vocab: tokens in the vocabulary.
        error: the greatest difference between the sum of all paths and the model's own logits.
    """

    groups: list[str]
    norms: Float[Tensor, " group"]
    without: Float[Tensor, "group row"]
    alone: Float[Tensor, "group row"]
    up_to: Float[Tensor, "order row"]
    full: Float[Tensor, " row"]
    d_vocab: int
    error: float

    def worth(self, group: str) -> float:
        """How much the loss rises where a kind or a path is taken out, nats per token.

        Arguments:
            group: one of `groups`.
        """
        return float((self.without[self.groups.index(group)] - self.full).mean())

    def to_frame(self) -> "DataFrame":
        """One row per kind or path."""
        import polars as pl

        columns = {"paths": self.groups, "norm": self.norms.tolist(), "without": self.without.mean(1).tolist(), "alone": self.alone.mean(1).tolist()}
        return pl.DataFrame(columns).with_columns(worth=pl.col("without") - float(self.full.mean()))

    def drawing(self) -> Drawing:
        """The loss by order, the kinds, and the paths that matter most."""
        guess = math.log(self.d_vocab)
        orders = [_order(k) for k in range(len(self.up_to))]
        note = f"{HELD} All tokens alike: {guess:.2f}; the model: {float(self.full.mean()):.3f}."
        curve = lines(
            "What is the loss with paths up to an order?", "nats per token", "paths up to", orders, [Series("loss", self.up_to.mean(1))], note=note
        )
        kinds = [group for group in self.groups if group == "virtual heads" or group.startswith(("direct", "single"))]
        amounts = [self.worth(group) for group in kinds]
        shown_kinds = bars("What is lost without each kind?", "nats per token", kinds, amounts, zero="nothing is lost", note=HELD)
        frame = self.to_frame()
        rows = [[row["paths"], row["norm"], row["worth"], row["alone"]] for row in frame.sort("worth", descending=True).head(40).to_dicts()]
        listed = table("Which paths matter most?", ["paths", "size in the stream", "lost without, nats", "loss alone, nats"], rows, note=HELD)
        parts = [("orders", curve), ("kinds", shown_kinds), ("paths", listed)]
        parts += [("virtual heads", self.virtual_heads())] if any(" > " in group for group in self.groups) else []
        return tabs("Which kinds of paths matter?", parts)

    def virtual_heads(self) -> Drawing:
        """What each virtual head of two is worth: the first head by column, the second by row.

        Raises:
            InputError: there are none, or too many to be told one by one.
        """
        pairs = [tuple(group.split(" > ")) for group in self.groups if " > " in group]
        if not pairs:
            raise InputError("virtual heads were not told one by one: the model has a single block, or too many heads")
        firsts, seconds = (list(dict.fromkeys(pair[i] for pair in sorted(pairs, key=lambda pair: pair[i]))) for i in (0, 1))
        worth = {pair: self.worth(" > ".join(pair)) for pair in pairs}
        sizes = {pair: float(self.norms[self.groups.index(" > ".join(pair))]) for pair in pairs}
        values = [[worth.get((first, second)) for first in firsts] for second in seconds]
        details = [[f"size in the stream {sizes[first, second]:.3g}" if (first, second) in sizes else "" for first in firsts] for second in seconds]
        return matrix(
            "What is each virtual head worth?", "nats per token lost without it", values, row_name="second head", rows=seconds,
            col_name="first head", cols=firsts, details=details, zero="nothing is lost", note=HELD,
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:
        """Whether single heads, and virtual heads, carry a part of the prediction that the rest does not.

        Arguments:
            model: the model that was measured.
        """
        self.refuse_other(model)
        return [self._verdict(group, claim) for group, claim in (("single heads", "Paths through one head matter."), _VIRTUAL)]

    def _verdict(self, group: str, claim: str) -> Verdict:
        threshold = float(self.full.mean()) + 0.1
        if group not in self.groups:
            return untestable(claim, MEASURE, "there are no such paths", threshold=threshold, threshold_source=THRESHOLD_SOURCE)
        measured = self.without[self.groups.index(group)]
        return compare(claim, MEASURE, measured, self.full, threshold=threshold, threshold_source=THRESHOLD_SOURCE)


_VIRTUAL = ("virtual heads", "Paths through several heads matter.")


def _order(k: int) -> str:
    return {0: "no head", 1: "one head"}.get(k, f"{k} heads")
