"""Optimal constants: what ablated edges carry so that the model does as well as any constants let it (Li and Janson 2024).

    a* = argmin over a of the mean cost of the model whose ablated edges u -> v carry a_u

one vector for each source, the same in all examples and at all positions, learnt jointly. Zero and the mean are constants, too, so what is lost under
a* is at most what is lost under them: the part that no constant can stand for. That holds on the examples that the constants were learnt on.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Graph, Metric, Model
from sonde.circuits.asking import asking
from sonde.circuits.circuit import Circuit, same_graph
from sonde.circuits.conditions import Conditions
from sonde.circuits.rewire import Rewired
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import Series, lines
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

DRAWS = 8  # random sets of edges that constants for any circuit are judged by


@dataclass(frozen=True, eq=False, repr=False)
class OptimalConstants(Result):
    """What the ablated edges of each source carry, and what that costs beside the mean and zero.

    Arguments:
        graph: of the edges.
        values: the constants, for `rewire(..., ablation=Ablation("optimal"), constants=values)`.
        conditions: what was measured.
        learnt, mean, zero: the mean cost on the examples under these constants, the mean over all tokens, and zero: the metric, or minus it where
            more is better.
        intact: the cost of the whole model.
        costs: the mean cost at each step.
        circuit: whose ablated edges they are for, in words.
    """

    graph: Graph
    values: Float[Tensor, "source 1 1 d_model"]
    conditions: Conditions
    learnt: float
    mean: float
    zero: float
    intact: float
    costs: Float[Tensor, " step"]
    circuit: str

    @property
    def converged(self) -> bool:
        """Whether the last tenth of the steps gained less than a hundredth of what all of them did."""
        best = self.costs.cummin(0).values
        last = best[-max(2, len(best) // 10)]
        return bool(last - best[-1] <= 0.01 * (best[0] - best[-1]))

    def to_frame(self) -> "DataFrame":
        """One row for each kind of constant: what the task costs under it."""
        import polars as pl

        costs = {"intact": self.intact, "optimal": self.learnt, "mean": self.mean, "zero": self.zero}
        return pl.DataFrame({"carried": list(costs), "cost": list(costs.values())})

    def drawing(self) -> Drawing:
        """The cost over the search."""
        steps = list(range(1, len(self.costs) + 1))
        note = f"mean {self.mean:.3g}, zero {self.zero:.3g}, whole model {self.intact:.3g}; {'settled' if self.converged else 'not settled'}"
        return lines("What can constants stand for?", self.conditions.unit, "step", steps, [Series("cost", self.costs.tolist())], note=note)


def optimal_constants(
    model: Model, task: Task, circuit: Circuit | None = None, graph: Graph | None = None, metric: str | Metric | None = "kl", steps: int = 100,
    rate: float = 0.1, seed: int = 0, batch_size: int | Literal["auto"] = "auto", show: bool = False,
) -> OptimalConstants:  # fmt: skip
    """Learn what the ablated edges carry, from the mean over all tokens on.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners, and a metric: those to search on, not those to judge by.
        circuit: the constants are for its ablated edges; for random sets of edges, a new one at each step, by default.
        graph: which nodes there are, where no circuit is given.
        metric: "kl" for the divergence from the whole model's prediction, `None` for the task's own metric, or another.
        steps: of the search.
        rate: of Adam, as a share of the typical size of what the sources put out.
        seed: of the random sets of edges.
        batch_size: examples that go through the model together.
        show: show progress.

    Raises:
        InputError: no steps, or a circuit of another graph; nothing is ablated.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = optimal_constants(model, sonde.tasks.load("agreement", model, n=2), steps=2)
    >>> found.learnt <= min(found.mean, found.zero)
    True
    """
    if steps < 1 or not rate > 0:
        raise InputError(f"steps={shown(steps)}, rate={shown(rate)}: give at least one step, and a rate above zero")
    if circuit is not None and graph is not None:
        same_graph(circuit.graph, graph)
    graph = circuit.graph if circuit is not None else graph or Graph.of(model)
    if circuit is not None and circuit.n_edges == graph.n_edges:
        raise InputError("the circuit has all edges, so nothing is ablated and no constants are needed")
    asked, generator = asking(model, task, metric), torch.Generator().manual_seed(seed)
    means = Rewired(model, graph, asked, Ablation("mean", over="all"), None, None, batch_size)
    sign, real = means.conditions.sign, graph.real
    judged = _drawn(real, DRAWS, generator) if circuit is None else circuit.mask[None]
    _, first = next(means.chunks())
    start = first.carried[:, :1, :1].clone()

    def cost(constants: Tensor) -> float:
        rewired = Rewired(model, graph, asked, Ablation("optimal"), None, constants, batch_size)
        return float(-sign * rewired.values(judged).double().mean())

    values = start.clone().requires_grad_()
    typical = start.flatten(1).norm(dim=1).mean() / start.shape[-1] ** 0.5
    adam = torch.optim.Adam([values], rate * max(float(typical), 1e-8))
    costs: list[float] = []
    best, held = float("inf"), start
    for _ in track(range(steps), "learning constants", shown=show):
        kept = judged[0] if circuit is not None else _drawn(real, 1, generator)[0]
        adam.zero_grad()
        total = 0.0
        for _, rewiring in means.chunks():
            rewiring.carried = values.expand_as(rewiring.current)
            value = -sign * rewiring.soft(kept.to(values)).double().sum() / len(task)
            value.backward()
            total += float(value.detach())
        costs.append(total)
        if circuit is not None and total < best:
            best, held = total, values.detach().clone()
        adam.step()
    zeros = torch.zeros_like(start)
    candidates = {"learnt": held if circuit is not None else values.detach(), "mean": start, "zero": zeros, "last": values.detach()}
    found = {name: cost(constants) for name, constants in candidates.items()}
    winner = min(found, key=lambda name: found[name])  # never worse than the mean and zero
    recipe = Recipe.of(
        "sonde.circuits.optimal_constants", {"metric": metric, "steps": steps, "rate": rate, "graph": graph.summary, "circuit": judged},
        model_hash=model.hash, inputs=task.content, seed=seed,
    )  # fmt: skip
    conditions = Rewired(model, graph, asked, Ablation("optimal"), None, zeros, batch_size).conditions
    intact = float(-sign * means.base.double().mean())
    told = "any circuit" if circuit is None else circuit.method
    return OptimalConstants(
        graph, candidates[winner].cpu(), conditions, found[winner], found["mean"], found["zero"], intact, torch.tensor(costs), told, recipe=recipe
    )


def _drawn(real: Bool[Tensor, "sender receiver"], n: int, generator: torch.Generator) -> Bool[Tensor, "mask sender receiver"]:
    """Random sets of edges, each of a size of its own."""
    shares = torch.rand(n, 1, 1, generator=generator)
    return (torch.rand(n, *real.shape, generator=generator) < shares) & real
