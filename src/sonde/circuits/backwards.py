"""A circuit by hand, from the logits backwards: who acts on the logits, who acts on those, and so on (Wang et al. 2023; Merullo et al. 2024).

At each step every sender is ranked by what the ablation of its edges into the current receivers changes; some are kept, and what they read are the
receivers of the next step. Each effect is exact, in the whole model; edges are direct, so what passes through MLPs is found as steps through them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph, Metric, Model
from sonde.access.edges import Edge
from sonde.circuits.asking import asking
from sonde.circuits.circuit import Circuit
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import COUNTERFACTUAL, Rewired
from sonde.results import InputError, Recipe, shown
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

Measure = Literal["edges", "together"]


@dataclass(frozen=True, eq=False)
class Step:
    """What acts on some receivers.

    Arguments:
        receivers: they.
        candidates: sender and receiver of each row; without a receiver where those of a sender were ablated together.
        effects: the change of the mean metric by the ablation: ablated minus intact, in its unit.
        kept: the edges that were kept.
        unit: of the metric.
    """

    receivers: tuple[str, ...]
    candidates: tuple[tuple[str, str], ...]
    effects: Float[Tensor, " row"]
    kept: tuple[Edge, ...]
    unit: str

    def to_frame(self) -> "DataFrame":
        """One row per candidate, the strongest first."""
        import polars as pl

        kept = set(self.kept) | {(sender, "") for sender, _ in self.kept}
        return pl.DataFrame(
            {
                "sender": [sender for sender, _ in self.candidates],
                "receiver": [receiver or "all of them" for _, receiver in self.candidates],
                "effect": self.effects.tolist(),
                "kept": [one in kept for one in self.candidates],
            }
        ).sort(pl.col("effect").abs(), descending=True, maintain_order=True)

    def __repr__(self) -> str:
        shown_rows = self.to_frame().head(10)
        return f"what acts on {', '.join(self.receivers[:3])}{' ...' if len(self.receivers) > 3 else ''} ({self.unit}):\n{shown_rows}"


class Backwards:
    """A search that is stepped by hand, from the logits down.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners, and a metric: those to search on.
        threshold: keep what changes the mean metric by at least this much, in either direction; `None` to go by share.
        share: or keep this share of the candidates of each step, the strongest.
        measure: "edges": each edge by itself; "together": a sender's edges into all receivers of the step at once, as in Wang et al.
        graph: which nodes there are; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        metric: `None` for the task's own, "kl", or another.
        batch_size: examples that go through the model together.
        show: show progress.

    Raises:
        InputError: not one of threshold and share, or one that is none.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> search = Backwards(model, sonde.tasks.load("agreement", model, n=2), threshold=0.1)
    >>> search.receivers
    ('logits',)
    >>> step = search.step()
    >>> 0 < len(step.kept) < len(step.candidates)
    True
    """

    def __init__(
        self, model: Model, task: Task, threshold: float | None = None, share: float | None = None, measure: Measure = "edges",
        graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, metric: str | Metric | None = None,
        batch_size: int | Literal["auto"] = "auto", show: bool = False,
    ):  # fmt: skip
        if (threshold is None) == (share is None):
            raise InputError("give either threshold= (in the unit of the metric) or share= (of the candidates of each step)")
        if threshold is not None and not threshold > 0:
            raise InputError(f"threshold={shown(threshold)}: a threshold is above zero, in the unit of the metric")
        if share is not None and not 0 < share <= 1:
            raise InputError(f"share={shown(share)}: give a share of the candidates of each step, above 0 and up to 1")
        if measure not in ("edges", "together"):
            raise InputError(f"measure={shown(measure)}: use 'edges' or 'together'")
        self.model, self.task, self.threshold, self.share, self.measure, self.show = model, task, threshold, share, measure, show
        self.graph = graph or Graph.of(model)
        self.rewired = Rewired(model, self.graph, asking(model, task, metric), ablation, None, None, batch_size)
        self.steps: list[Step] = []
        self.mask = torch.zeros_like(self.graph.real)
        self.weights = torch.zeros(self.graph.real.shape, dtype=torch.float64).masked_fill(self.graph.real, torch.nan)
        self._frontier = self.graph.receiver_layer == self.graph.receiver_layer.max()
        self._visited = torch.zeros_like(self._frontier)

    @property
    def receivers(self) -> tuple[str, ...]:
        """The receivers of the next step; none where the search has come to its end."""
        return tuple(name for name, now in zip(self.graph.receivers, self._frontier.tolist(), strict=True) if now)

    def step(self, keep: Sequence[str] | None = None) -> Step:
        """Rank what acts on the current receivers, keep some of it, and go on to what that reads.

        Arguments:
            keep: senders to keep, by name, instead of those that the threshold or the share would.

        Raises:
            InputError: the search has ended; a sender that does not come before the receivers.
        """
        if not self._frontier.any():
            raise InputError("the search has come to its end: what was kept reads nothing that is not settled; see circuit()")
        candidates = self.graph.real & self._frontier[None]
        effects, groups = self._effects(candidates)
        chosen = self._chosen(effects, groups, keep)
        kept = torch.zeros_like(candidates)
        for group, effect in zip(groups, effects, strict=True):
            self.weights[group] = effect
        for number in chosen:
            kept |= groups[number]
        senders, receivers = self.graph.senders, self.graph.receivers
        names = []
        for group in groups:
            s, r = group.nonzero()[0].tolist()
            names.append((senders[s], receivers[r] if self.measure == "edges" else ""))
        step = Step(self.receivers, tuple(names), effects, tuple(self.graph.edges(kept)), self.rewired.conditions.unit)
        self.steps.append(step)
        self.mask |= kept
        self._visited |= self._frontier
        self._frontier = self.graph.feeds[:, kept.any(1)].any(1) & ~self._visited
        return step

    def run(self) -> Circuit:
        """Step until nothing is left to ask, and give the circuit."""
        while self._frontier.any():
            self.step()
        return self.circuit()

    def circuit(self) -> Circuit:
        """What was kept so far.

        Raises:
            InputError: nothing was.
        """
        if not self.mask.any():
            most = f"; the largest effect was {float(self.steps[0].effects.abs().max()):.3g}" if self.steps else ": step first"
            raise InputError(f"nothing is kept{most} {self.rewired.conditions.unit}, give a smaller threshold")
        return Circuit(self.graph, self.mask.clone(), self.method, self.rewired.conditions, self.weights.clone(), recipe=self._recipe)

    @property
    def method(self) -> str:
        """How the circuit was found so far, in words."""
        rule = f"{self.threshold:g} {self.rewired.conditions.unit}" if self.threshold is not None else f"the top {self.share:.0%}"
        together = ", a sender's edges together" if self.measure == "together" else ""
        return f"{len(self.steps)} steps backwards from the logits{together}, {rule} at each"

    @property
    def scores(self) -> EdgeScores:
        """The effects of all candidates so far; what no step has asked for has no score."""
        return EdgeScores(self.graph, self.weights.clone(), self.method, self.rewired.conditions, recipe=self._recipe)

    @property
    def _recipe(self) -> Recipe:
        arguments = {
            "threshold": self.threshold, "share": self.share, "measure": self.measure, "graph": self.graph.summary,
            "ablation": vars(self.rewired.ablation), "kept": [list(map(list, step.kept)) for step in self.steps],
        }  # fmt: skip
        return Recipe.of("sonde.circuits.Backwards", arguments, model_hash=self.model.hash, inputs=self.task.content)

    def _effects(self, candidates: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What each ablation changes, and which edges it ablates."""
        if self.measure == "edges":
            groups = []
            for s, r in candidates.nonzero().tolist():
                groups.append(torch.zeros_like(candidates))
                groups[-1][s, r] = True
            return self.rewired.effects(candidates, self.show).double().mean(1).cpu(), groups
        groups = []
        for s in candidates.any(1).nonzero().squeeze(1).tolist():
            groups.append(torch.zeros_like(candidates))
            groups[-1][s] = candidates[s]
        kept = self.graph.real[None] & ~torch.stack(groups)
        return (self.rewired.values(kept) - self.rewired.base).double().mean(1).cpu(), groups

    def _chosen(self, effects: Tensor, groups: list[Tensor], keep: Sequence[str] | None) -> list[int]:
        if keep is not None:
            own = [self.graph.senders[int(group.any(1).nonzero()[0])] for group in groups]
            if missing := [name for name in keep if name not in own]:
                raise InputError(f"keep={shown(missing[0])} does not act on the receivers of this step; those that do are such as {own[-1]!r}")
            return [number for number, name in enumerate(own) if name in keep]
        if self.threshold is not None:
            return (effects.abs() >= self.threshold).nonzero().squeeze(1).tolist()
        assert self.share is not None
        n = max(1, round(self.share * len(effects)))
        order = effects.abs().argsort(descending=True, stable=True)[:n]
        return [number for number in order.tolist() if effects[number] != 0]


def backwards(
    model: Model, task: Task, threshold: float | None = None, share: float | None = None, measure: Measure = "edges", graph: Graph | None = None,
    ablation: Ablation = COUNTERFACTUAL, metric: str | Metric | None = None, batch_size: int | Literal["auto"] = "auto", show: bool = False,
) -> Circuit:  # fmt: skip
    """Find a circuit from the logits backwards, in one go.

    Arguments:
        model, task, threshold, share, measure, graph, ablation, metric, batch_size, show: as for `Backwards`, which does it step by step.

    Raises:
        InputError: as there, and a threshold that keeps nothing.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> backwards(model, sonde.tasks.load("agreement", model, n=2), threshold=0.1).edges[-1][1]
    'logits'
    """
    return Backwards(model, task, threshold, share, measure, graph, ablation, metric, batch_size, show).run()
