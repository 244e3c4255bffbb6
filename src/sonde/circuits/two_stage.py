"""Rank cheaply, verify exactly: an estimate for all edges says which are worth a forward of their own.

The strongest by the estimate are ablated one by one, exactly, and with them a random sample of the others, which bounds what the estimate has
missed: if x of m sampled edges are as strong as the weakest that was kept, the share of such edges among all the others has an interval (Wilson).
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
from sonde.evidence import spearman, wilson
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Points, scatter
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class TwoStage(Result):
    """Estimated scores, and the exact ones of the strongest and of a sample of the others.

    Arguments:
        estimated: of all edges.
        exact: NaN for edges that were not verified.
        sampled: the verified edges that were drawn at random from those that were not among the strongest.
        k: edges of the circuit.
        missed: the 95 % interval of how many of the edges that were not verified are as strong as the weakest of the circuit.
    """

    estimated: EdgeScores
    exact: EdgeScores
    sampled: Bool[Tensor, "sender receiver"]
    k: int
    missed: tuple[float, float]

    @property
    def circuit(self) -> Circuit:
        """The k strongest of the verified edges, by their exact effects."""
        return self.exact.top(self.k)

    @property
    def agreement(self) -> float:
        """The rank correlation of estimate and exact effect over the edges that were verified for their estimate."""
        chosen = self.exact.values.isfinite() & self.estimated.graph.real & ~self.sampled
        return float(spearman(self.estimated.values[chosen], self.exact.values[chosen]))

    def to_frame(self) -> "DataFrame":
        """One row per verified edge."""
        import polars as pl

        graph = self.estimated.graph
        places = (graph.real & self.exact.values.isfinite()).nonzero().tolist()
        columns = {
            "sender": [graph.senders[s] for s, _ in places], "receiver": [graph.receivers[r] for _, r in places],
            "estimated": [float(self.estimated.values[s, r]) for s, r in places], "exact": [float(self.exact.values[s, r]) for s, r in places],
            "sampled": [bool(self.sampled[s, r]) for s, r in places],
        }  # fmt: skip
        return pl.DataFrame(columns).sort(pl.col("exact").abs(), descending=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """Exact effects over estimates."""
        frame, unit = self.to_frame().head(2000), self.exact.unit
        sets = []
        for name, sampled in (("strongest", False), ("random others", True)):
            part = frame.filter(frame["sampled"] == sampled)
            labels = [f"{s} -> {r}" for s, r in part.select("sender", "receiver").rows()]
            sets.append(Points(name, part["estimated"].to_list(), part["exact"].to_list(), labels=labels))
        low, high = self.missed
        note = f"of the edges that were not verified {low:.0f} to {high:.0f} are as strong as the weakest of the {self.k:,}; {self.exact.conditions}"
        return scatter("Does the estimate hold?", f"{self.estimated.method}, {unit}", f"exact, {unit}", sets, diagonal="exact", note=note)


def two_stage(
    model: Model, scores: EdgeScores, task: Task, k: int, verify: int = 2000, sample: int = 200, ablation: Ablation | None = None, seed: int = 0,
    show: bool = False,
) -> TwoStage:  # fmt: skip
    """Verify the strongest edges of an estimate exactly, and a random sample of the others.

    Arguments:
        model: the model.
        scores: the estimate.
        task: the prompts of the search.
        k: edges of the circuit.
        verify: how many of the strongest edges are verified; all where there are fewer.
        sample: how many of the others are.
        ablation: what ablated edges carry; by default as with the estimate.
        seed: of the sample.
        show: show progress.

    Raises:
        InputError: fewer verified than wanted.
    """
    strength = scores.strengths()
    verify = min(verify, scores.n_scored)
    if not 1 <= k <= verify:
        raise InputError(f"k={k}, verify={verify}: a circuit of k edges is chosen from the verified ones; verify at least as many")
    chosen = strongest(strength, verify)
    others = (scores.graph.real & ~chosen).flatten().nonzero()[:, 0]
    picked = others[torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[: max(0, sample)]]
    sampled = torch.zeros(chosen.numel(), dtype=torch.bool)
    sampled[picked] = True
    sampled = sampled.view_as(chosen)
    rewired = rewired_for(model, scores.graph, task, ablation, scores.conditions)
    effects = rewired.effects(chosen | sampled, show).mean(1).cpu()
    values = torch.full(scores.values.shape, float("nan"), dtype=effects.dtype).masked_fill(~scores.graph.real, 0.0)
    values[chosen | sampled] = effects
    recipe = Recipe.of(
        "sonde.circuits.two_stage", {"estimate": scores.method, "k": k, "verify": verify, "sample": sample}, model_hash=model.hash,
        inputs=[task.content, scores.values], seed=seed,
    )  # fmt: skip
    exact = EdgeScores(scores.graph, values, f"exact effects of the strongest by {scores.method}", rewired.conditions, recipe=recipe)
    weakest = values.abs().masked_fill(~chosen, -1.0).flatten().sort(descending=True).values[k - 1]
    rest = len(others) - len(picked)
    found = int((values[sampled].abs() >= weakest).sum())
    missed = tuple(rest * end for end in wilson(found, len(picked))) if len(picked) else (0.0, float(rest))
    return TwoStage(replace(scores), exact, sampled, k, (missed[0], missed[1]), recipe=recipe)
