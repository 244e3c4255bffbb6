"""Rank cheaply, verify exactly: an estimate for all edges says which are worth a forward of their own.

The strongest by the estimate are ablated one by one, exactly, and with them a random sample of the others, which bounds what the estimate has
missed: if x of m sampled edges are as strong as the weakest of a circuit, the share of such edges among all the others has an interval (Wilson).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Model
from sonde.circuits.circuit import Circuit
from sonde.circuits.evaluation.measuring import rewired_for
from sonde.circuits.ranking import strongest
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import Rewired
from sonde.evidence import spearman, wilson
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import Points, scatter
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class TwoStage(Result):
    """Estimated scores, and the exact ones of the strongest and of a sample of the others.

    Arguments:
        estimated: of all edges.
        scores: the same, exact where they were verified.
        verified: the edges that were ablated one by one.
        sampled: those of them that were drawn at random from the edges that were not among the strongest.
    """

    estimated: EdgeScores
    scores: EdgeScores
    verified: Bool[Tensor, "sender receiver"]
    sampled: Bool[Tensor, "sender receiver"]

    @property
    def exact(self) -> EdgeScores:
        """The exact scores; the other edges have none."""
        left = self.scores.graph.real & ~self.verified
        method = f"exact effects of the strongest by {self.estimated.method}"
        return replace(self.scores, values=self.scores.values.masked_fill(left, torch.nan), per_example=None, method=method)

    @property
    def n_strongest(self) -> int:
        """How many edges were verified for their estimate."""
        return int((self.verified & ~self.sampled).sum())

    @property
    def agreement(self) -> float:
        """The rank correlation of estimate and exact effect over the edges that were verified for their estimate."""
        chosen = self.verified & ~self.sampled
        return float(spearman(self.estimated.values[chosen], self.scores.values[chosen]))

    def circuit(self, k: int) -> Circuit:
        """The strongest of the verified edges, by their exact effects.

        Arguments:
            k: how many.

        Raises:
            InputError: none, or more than were verified.
        """
        return self.exact.top(k)

    def missed(self, k: int) -> tuple[float, float]:
        """The 95 % interval of how many of the edges that were not verified are as strong as the k-th of those verified for their estimate.

        Arguments:
            k: edges of the circuit.

        Raises:
            InputError: none, or more than were verified for their estimate.
        """
        strength = self.scores.values.abs()
        known = strength[self.verified & ~self.sampled].sort(descending=True).values
        if not 1 <= k <= len(known):
            raise InputError(f"k={shown(k)}: {len(known):,} edges were verified for their estimate; give a number from 1 to that, or verify more")
        n, rest = int(self.sampled.sum()), self.scores.n_scored - int(self.verified.sum())
        found = int((strength[self.sampled] >= known[k - 1]).sum())
        low, high = wilson(found, n) if n else (0.0, 1.0)
        return rest * low, rest * high

    def to_frame(self) -> "DataFrame":
        """One row per verified edge."""
        import polars as pl

        graph = self.estimated.graph
        places = self.verified.nonzero().tolist()
        columns = {
            "sender": [graph.senders[s] for s, _ in places], "receiver": [graph.receivers[r] for _, r in places],
            "estimated": [float(self.estimated.values[s, r]) for s, r in places], "exact": [float(self.scores.values[s, r]) for s, r in places],
            "sampled": [bool(self.sampled[s, r]) for s, r in places],
        }  # fmt: skip
        return pl.DataFrame(columns).sort(pl.col("exact").abs(), descending=True, maintain_order=True)

    def drawing(self, k: int | None = None) -> Drawing:
        """Exact effects over estimates.

        Arguments:
            k: edges of a circuit: what was missed beside them is told.
        """
        frame, unit = self.to_frame().head(2000), self.scores.unit
        sets = []
        for name, sampled in (("strongest", False), ("random others", True)):
            part = frame.filter(frame["sampled"] == sampled)
            labels = [f"{s} -> {r}" for s, r in part.select("sender", "receiver").rows()]
            sets.append(Points(name, part["estimated"].to_list(), part["exact"].to_list(), labels=labels))
        note = f"rank correlation among the strongest {self.agreement:.2f}; {self.scores.conditions}"
        rest = self.scores.n_scored - int(self.verified.sum())
        if k is not None and rest:
            low, high = self.missed(k)
            note = f"of the {rest:,} edges that were not verified {low:.0f} to {high:.0f} are as strong as the weakest of the {k:,}; {note}"
        return scatter("Does the estimate hold?", f"{self.estimated.method}, {unit}", f"exact, {unit}", sets, diagonal="exact", note=note)


def two_stage(
    model: Model, scores: EdgeScores, task: Task, verify: int = 2000, sample: int = 200, ablation: Ablation | None = None, seed: int = 0,
    show: bool = False,
) -> TwoStage:  # fmt: skip
    """Verify the strongest edges of an estimate exactly, and a random sample of the others.

    Arguments:
        model: the model.
        scores: the estimate.
        task: the prompts of the search.
        verify: how many of the strongest edges are verified; all where there are fewer.
        sample: how many of the others are.
        ablation: what ablated edges carry; by default as with the estimate.
        seed: of the sample.
        show: show progress.

    Raises:
        InputError: no edge to verify; a sample of fewer than none; a task whose metric has another unit than the estimate.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=4)
    >>> found = two_stage(model, sonde.circuits.eap(model, task), task, verify=10, sample=5)
    >>> found.exact.n_scored, found.circuit(6).nominal
    (15, 6)
    """
    return verified(rewired_for(model, scores.graph, task, ablation, scores.conditions), scores, verify, sample, seed, show)


def verified(rewired: Rewired, scores: EdgeScores, verify: int, sample: int = 0, seed: int = 0, show: bool = False) -> TwoStage:
    """The same for a task whose edges are ablated already.

    Arguments:
        rewired: the task that was searched.
        scores, verify, sample, seed, show: as for `two_stage`.

    Raises:
        InputError: as there.
    """
    if verify < 1 or sample < 0:
        raise InputError(f"verify={shown(verify)}, sample={shown(sample)}: verify at least one edge, and draw none or more of the others")
    graph, conditions = scores.graph, rewired.conditions
    if scores.unit != conditions.unit:
        raise InputError(f"the estimate is in {scores.unit}, and the task's metric in {conditions.unit}: verify under the metric that was estimated")
    chosen = strongest(scores.strengths(), min(verify, scores.n_scored))
    others = (graph.real & ~chosen & ~scores.values.isnan()).flatten().nonzero()[:, 0]
    picked = others[torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[:sample]]
    sampled = torch.zeros(chosen.numel(), dtype=torch.bool)
    sampled[picked] = True
    sampled = sampled.view_as(chosen)
    both = chosen | sampled
    effects = rewired.effects(both, show).to(scores.values)
    values = scores.values.clone()
    values[both] = effects.mean(1)
    per_example = scores.per_example if scores.conditions.examples == conditions.examples else None
    if per_example is not None:
        per_example = per_example.clone()
        per_example[both[graph.real]] = effects.to(per_example)
    recipe = Recipe.of(
        "sonde.circuits.two_stage", {"estimate": scores.method, "verify": int(chosen.sum()), "sample": len(picked)},
        model_hash=rewired.model.hash, inputs=[rewired.task.content, scores.values], seed=seed,
    )  # fmt: skip
    beside = f" and a random {len(picked):,} of the others" if len(picked) else ""
    method = f"{scores.method}, the strongest {int(chosen.sum()):,}{beside} verified exactly"
    merged = replace(scores, values=values, per_example=per_example, method=method, conditions=conditions, recipe=recipe)
    return TwoStage(scores, merged, both, sampled, recipe=recipe)
