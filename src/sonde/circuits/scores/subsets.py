"""How much may nodes matter that were not verified? Estimates miss some; random sets of them, ablated together, bound by how much.

Of the nodes that were not verified, random sets S are ablated, each node with a chance of its own. Where effects add up,

    c(n) = mean of e(S) over sets with n  -  mean of e(S) over sets without it,      e(S) = m(without S) - m(all)

and Welch's interval of that difference, widened for the number of nodes (Bonferroni), bounds every c(n) at once (the diagnostic of AtP*, Kramar et
al. 2024). A wide bound is an honest answer: it shrinks with the number of sets.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.circuits.conditions import Conditions
from sonde.circuits.node_scores import NodeScores
from sonde.circuits.scores.exact import ablating
from sonde.circuits.scores.nodes import Nodes
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import bars
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

LEAST_SETS = 8  # of fewer the spread is as good as unknown
DRAWN = 30  # bars


@dataclass(frozen=True, eq=False, repr=False)
class Missed(Result):
    """What nodes that were not verified may do, as far as random sets of them tell.

    Arguments:
        nodes: those that were not verified.
        estimate: of each node's effect, where effects add up.
        interval: of each estimate; all of them hold together at the confidence.
        confidence: of all intervals together.
        sets: how many were ablated.
        effects: of each set, the mean over the examples.
        conditions: what was measured.
    """

    nodes: list[str]
    estimate: Float[Tensor, " node"]
    interval: Float[Tensor, "node 2"]
    confidence: float
    sets: int
    effects: Float[Tensor, " set"]
    conditions: Conditions

    @property
    def bound(self) -> float:
        """The largest effect, of either sign, that one of these nodes may have."""
        return float(self.interval.abs().max())

    @property
    def suspects(self) -> list[str]:
        """The nodes whose interval excludes zero, the strongest first: they should be verified, too."""
        clear = (self.interval[:, 0] > 0) | (self.interval[:, 1] < 0)
        order = self.estimate.abs().argsort(descending=True, stable=True).tolist()
        return [self.nodes[i] for i in order if clear[i]]

    def to_frame(self) -> "DataFrame":
        """One row per node, the strongest first."""
        import polars as pl

        low, high = self.interval.T.tolist()
        frame = pl.DataFrame({"node": self.nodes, "estimate": self.estimate.tolist(), "low": low, "high": high})
        return frame.sort(pl.col("estimate").abs(), descending=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """The strongest nodes as ranked bars with their intervals."""
        frame = self.to_frame().head(DRAWN)
        ends = list(zip(frame["low"], frame["high"], strict=True))
        held = f"{self.sets} random sets; all intervals hold together at {self.confidence:.0%}"
        note = f"{held}; no node does more than {self.bound:.3g}; {self.conditions}"
        return bars(
            "What may have been missed?", self.conditions.unit, frame["node"].to_list(), frame["estimate"].to_list(), intervals=ends, note=note
        )


def missed(
    model: Model, task: Task, scores: NodeScores, verified: int, sets: int = 100, share: float = 0.5, confidence: float = 0.95, seed: int = 0,
    batch_size: int | Literal["auto"] = "auto",
) -> Missed:  # fmt: skip
    """Bound what the nodes do that a ranking left unverified.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners.
        scores: the ranking; its nodes are at all positions together.
        verified: how many of the first were verified, and are left out.
        sets: how many random sets are ablated, a forward for each.
        share: the chance of a node to be in a set.
        confidence: of all intervals together.
        seed: of the draws.
        batch_size: rows per pass.

    Raises:
        InputError: nobody left to test, too few sets, a share or a confidence that is none, or nodes at single positions.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=4)
    >>> scores = sonde.circuits.atp(model, task, ["mlp.out"])
    >>> len(missed(model, task, scores, verified=1, sets=20).nodes)
    3
    """
    if not 0 < share < 1 or not 0 < confidence < 1:
        raise InputError(f"share={share}, confidence={confidence}: give numbers between 0 and 1")
    if sets < LEAST_SETS:
        raise InputError(f"sets={sets}: fewer than {LEAST_SETS} tell nothing of their spread")
    if not 0 <= verified < len(scores.nodes):
        raise InputError(f"verified={verified}: there are {len(scores.nodes)} nodes, of which at least one must be left to test")
    parts = list(dict.fromkeys(name.split("[")[0].split(".", 2)[2] for name in scores.nodes))
    nodes = Nodes.of(model, task, parts, "together")
    if nodes.names != scores.nodes:
        raise InputError(f"{shown(scores.nodes[0])} is at single positions, or of other blocks: score all nodes with positions='together'")
    first = set(scores.top(verified)) if verified else set()
    rest = [i for i, name in enumerate(nodes.names) if name not in first]
    drawn = torch.rand(sets, len(rest), generator=torch.Generator().manual_seed(seed)) < share
    drawn[~drawn.any(1), 0] = True  # a set has a member
    if not bool(((drawn.sum(0) >= 2) & ((~drawn).sum(0) >= 2)).all()):
        raise InputError(
            f"sets={sets}, share={share}: a node is in nearly all or nearly none of the sets; take more of them, or a share nearer to .5"
        )
    total = torch.zeros(sets, dtype=torch.float64)
    for part, edits in ablating(model, task, nodes, scores.conditions.ablation):
        cells = [[edits[rest[i]] for i in row.nonzero().squeeze(1).tolist()] for row in drawn]
        sweep = model.sweep(part.clean, cells, part.metric, batch_size)
        total += (sweep.values - sweep.base).double().sum(1).cpu() / len(task)
    estimate, interval = _differences(total, drawn, confidence)
    recipe = Recipe.of(
        "sonde.circuits.missed", {"method": scores.method, "verified": verified, "sets": sets, "share": share, "confidence": confidence},
        model_hash=model.hash, inputs=task.content, seed=seed,
    )  # fmt: skip
    conditions = Conditions.of(nodes.summary, task, scores.conditions.ablation)
    return Missed([nodes.names[i] for i in rest], estimate, interval, confidence, sets, total, conditions, recipe=recipe)


def _differences(effects: Tensor, inside: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    """For each node the mean effect of the sets with it less that of the sets without it, and Welch's interval, widened for all nodes."""
    from scipy.stats import t

    estimates, intervals = [], []
    for members in inside.T:
        one, other = effects[members], effects[~members]
        parts = one.var() / len(one), other.var() / len(other)
        error = (parts[0] + parts[1]).sqrt()
        freedom = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(other) - 1)).clamp(min=1e-300)
        half = float(t.ppf(1 - (1 - confidence) / (2 * inside.shape[1]), max(1.0, float(freedom)))) * error
        difference = one.mean() - other.mean()
        estimates.append(difference)
        intervals.append(torch.stack([difference - half, difference + half]))
    return torch.stack(estimates).float(), torch.stack(intervals).float()
