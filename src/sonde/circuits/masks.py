"""Learnt masks: how much of each edge, or of each component, does the answer need?

Every edge carries z of its own value and 1 - z of what takes its place, with z hard-concrete (see `concrete`), the model frozen:

    subnetwork probing (Cao et al. 2021):   minimise  cost + weight x (expected share of what is open)
    edge pruning (Bhaskar et al. 2024):     minimise  cost + p (s - t) + q (s - t)^2,   p and q ascend,   s the expected share of what is closed

where the target t rises to the wanted sparsity during the warm-up. The gradient sees all edges at once, also those that matter only together, which
no score of single edges does; the answer is one of many, so compare seeds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph, Metric, Model
from sonde.circuits.asking import asking
from sonde.circuits.circuit import Circuit
from sonde.circuits.concrete import draw, located, open_probability, settled
from sonde.circuits.conditions import Conditions
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import COUNTERFACTUAL, Rewired
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, SondeError, shown
from sonde.results.drawing import Series, lines
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

Over = Literal["edges", "nodes"]
OPEN = "probability of being open"
START = 0.9  # the probability with which everything is open at first


@dataclass(frozen=True, eq=False, repr=False)
class LearntMask(Result):
    """How open each edge is after the search.

    Arguments:
        graph: of the edges.
        locations: the parameter of each edge's amount; that of its sender where whole components were masked; minus infinity where there is no edge.
        over: what has an amount of its own.
        method: how it was learnt, in words.
        conditions: what was measured.
        costs: the mean cost at each step: the metric, or minus it where more is better.
        closed: the expected share of what is closed, at each step.
    """

    graph: Graph
    locations: Float[Tensor, "sender receiver"]
    over: Over
    method: str
    conditions: Conditions
    costs: Float[Tensor, " step"]
    closed: Float[Tensor, " step"]

    @property
    def open(self) -> Float[Tensor, "sender receiver"]:
        """The probability that an edge carries anything of its own value."""
        return open_probability(self.locations.double())  # in single precision what is surely open would be all alike

    @property
    def scores(self) -> EdgeScores:
        """The probabilities as scores of edges: they rank, and are no changes of the metric."""
        return EdgeScores(self.graph, self.open, self.method, self.conditions, meaning=OPEN, recipe=self.recipe)

    @property
    def amounts(self) -> Float[Tensor, "sender receiver"]:
        """How much of its own value each edge carries, without chance."""
        return settled(self.locations)

    @property
    def expected(self) -> float:
        """The expected number of edges that are open."""
        return float(self.open[self.graph.real].sum())

    @property
    def undecided(self) -> float:
        """The share of edges whose amount is neither surely open nor surely closed: a probability between 0.05 and 0.95."""
        chances = self.open[self.graph.real]
        return float(((chances > 0.05) & (chances < 0.95)).double().mean())

    @property
    def converged(self) -> bool:
        """Whether the expected share of what is closed moved by less than a hundredth over the last tenth of the steps."""
        last = self.closed[-max(2, len(self.closed) // 10) :]
        return bool(last.max() - last.min() < 0.01)

    def circuit(self, k: int | None = None, connected: bool = True) -> Circuit:
        """The edges that are left.

        Arguments:
            k: so many of the most open; by default those with more than half of their own value.
            connected: leave out those that come from nowhere or lead nowhere.

        Raises:
            InputError: no edge is left, or none that reaches the logits; more are asked for than there are.
        """
        real = self.graph.real
        if k is not None and not 1 <= k <= int(real.sum()):
            raise InputError(f"k={k}: give a number from 1 to {int(real.sum()):,}, the edges of the graph")
        mask = (self.amounts > 0.5) & real
        if k is not None:
            mask = torch.zeros_like(real)
            order = self.locations[real].argsort(descending=True, stable=True)[:k]
            mask[tuple(real.nonzero()[order].T)] = True
        told = f"{self.method}, the {k:,} most open" if k is not None else self.method
        whole = Circuit(self.graph, mask, told, self.conditions, self.open, int(mask.sum()), OPEN, recipe=self.recipe)
        left = whole.prune() if connected else whole
        if not left.n_edges:
            raise InputError(
                f"{self.method} leaves {whole.n_edges:,} edges, none of them on a way from the prompt to the logits: an edge costs more "
                f"than it is worth (mean cost at the end {float(self.costs[-1]):.3g}); ask for less sparsity, for more steps, or for edges by k="
            )
        return left

    def to_frame(self) -> "DataFrame":
        """One row per edge, the most open first."""
        import polars as pl

        edges = self.graph.real.T.nonzero().tolist()
        names = self.graph.senders, self.graph.receivers
        chance, amount = self.open, self.amounts
        return pl.DataFrame(
            {
                "sender": [names[0][s] for _, s in edges],
                "receiver": [names[1][r] for r, _ in edges],
                "open": [float(chance[s, r]) for r, s in edges],
                "amount": [float(amount[s, r]) for r, s in edges],
            }
        ).sort("open", descending=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """The share of what is closed over the search."""
        steps = list(range(1, len(self.closed) + 1))
        told = "has settled" if self.converged else "has not settled"
        note = f"{self.method}; {told}, {self.undecided:.0%} of the edges undecided; cost {float(self.costs[0]):.3g} -> {float(self.costs[-1]):.3g}"
        return lines("How much does the search close?", "share closed", "step", steps, [Series("expected", self.closed.tolist())], note=note)


def subnetwork_probing(
    model: Model, task: Task, weight: float, over: Over = "nodes", graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL,
    metric: str | Metric | None = "kl", steps: int = 200, rate: float = 0.1, seed: int = 0, batch_size: int | Literal["auto"] = "auto",
    show: bool = False,
) -> LearntMask:  # fmt: skip
    """Learn which components, or edges, a task needs, where each that stays open has a price.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners, and a metric: those to search on.
        weight: what the cost would have to fall by, were all closed, for that to be as good: the price of everything, in the metric's unit.
        over: "nodes": a component's output is kept or ablated wherever it is read; the embeddings stay; "edges": each edge by itself.
        graph: which nodes there are; heads, MLPs and a joint embedding by default.
        ablation: what takes the place of what is closed.
        metric: "kl" for the divergence from the whole model's prediction, `None` for the task's own metric, or another.
        steps: of the search.
        rate: of Adam.
        seed: of the draws.
        batch_size: examples that go through the model together.
        show: show progress.

    Raises:
        InputError: a negative weight, no steps. SondeError: the metric became infinite or undefined.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = subnetwork_probing(model, sonde.tasks.load("agreement", model, n=2), weight=1.0, steps=2)
    >>> found.over, len(found.costs)
    ('nodes', 2)
    """
    if not weight >= 0:
        raise InputError(f"weight={shown(weight)}: give a price of 0 or more, in the unit of the metric")
    arguments = {"weight": weight, "over": over, "metric": metric, "steps": steps, "rate": rate}
    return _learnt(
        model, task, f"subnetwork probing of {over} at the price {weight:g}", arguments, over, graph, ablation, metric, steps, rate, seed, batch_size,
        show, lambda step, closed: weight * (1 - closed), [],
    )  # fmt: skip


def edge_pruning(
    model: Model, task: Task, sparsity: float, over: Over = "edges", graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL,
    metric: str | Metric | None = "kl", steps: int = 300, warm_up: float = 0.8, rate: float = 0.1, seed: int = 0,
    batch_size: int | Literal["auto"] = "auto", show: bool = False,
) -> LearntMask:  # fmt: skip
    """Learn which edges a task needs, where a given share of them is to be closed.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners, and a metric: those to search on.
        sparsity: the share to be closed, between 0 and 1.
        over: "edges", or "nodes": a component's output wherever it is read; the embeddings stay.
        graph: which nodes there are; heads, MLPs and a joint embedding by default.
        ablation: what takes the place of what is closed.
        metric: "kl" for the divergence from the whole model's prediction, `None` for the task's own metric, or another.
        steps: of the search.
        warm_up: the share of the steps over which the target rises to the sparsity.
        rate: of Adam, and of the ascent of the two multipliers.
        seed: of the draws.
        batch_size: examples that go through the model together.
        show: show progress.

    Raises:
        InputError: a sparsity that is no share, no steps. SondeError: the metric became infinite or undefined.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = edge_pruning(model, sonde.tasks.load("agreement", model, n=2), sparsity=0.9, steps=2)
    >>> found.over, found.converged
    ('edges', True)
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity={shown(sparsity)}: give the share of the edges to be closed, from 0 to below 1")
    if not 0 <= warm_up <= 1:
        raise InputError(f"warm_up={shown(warm_up)}: give a share of the steps, from 0 to 1")
    linear, square = (torch.zeros((), requires_grad=True) for _ in range(2))
    begin = 1 - START

    def price(step: int, closed: Tensor) -> Tensor:
        target = begin + (sparsity - begin) * min(1.0, (step + 1) / max(1.0, warm_up * steps))
        off = closed - target
        return linear.to(closed) * off + square.to(closed) * off**2

    arguments = {"sparsity": sparsity, "over": over, "metric": metric, "steps": steps, "warm_up": warm_up, "rate": rate}
    return _learnt(
        model, task, f"edge pruning of {over} to a sparsity of {sparsity:.3g}", arguments, over, graph, ablation, metric, steps, rate, seed,
        batch_size, show, price, [linear, square],
    )  # fmt: skip


def _learnt(
    model: Model, task: Task, method: str, arguments: Mapping[str, object], over: Over, graph: Graph | None, ablation: Ablation,
    metric: str | Metric | None, steps: int, rate: float, seed: int, batch_size: int | Literal["auto"], show: bool,
    price: Callable[[int, Tensor], Tensor], ascending: list[Tensor],
) -> LearntMask:  # fmt: skip
    if steps < 1 or not rate > 0:
        raise InputError(f"steps={shown(steps)}, rate={shown(rate)}: give at least one step, and a rate above zero")
    if over not in ("edges", "nodes"):
        raise InputError(f"over={shown(over)}: use 'edges' or 'nodes'")
    graph = graph or Graph.of(model)
    rewired = Rewired(model, graph, asking(model, task, metric), ablation, None, None, batch_size)
    sign, device = rewired.conditions.sign, model.device
    real = graph.real.to(device)
    free = real if over == "edges" else (graph.sender_layer >= 0).to(device)  # the embeddings stay open
    location = torch.full((int(free.sum()),), located(START), device=device, dtype=torch.float32, requires_grad=True)
    down = torch.optim.Adam([location], rate)
    up = torch.optim.Adam(ascending, rate, maximize=True) if ascending else None
    generator = torch.Generator().manual_seed(seed)
    costs, shares = [], []
    for step in track(range(steps), "learning a mask", shown=show):
        z = draw(location, generator)
        closed = 1 - open_probability(location).mean()
        down.zero_grad()
        if up is not None:
            up.zero_grad()
        price(step, closed).backward()
        cost = 0.0
        for _, rewiring in rewired.chunks():  # one draw for all examples; the gradients of the pieces add up
            kept = _spread(z, free, real, over)
            value = -sign * rewiring.soft(kept).double().sum() / len(task)
            value.backward(retain_graph=True)
            cost += float(value.detach())
        if not math.isfinite(cost) or location.grad is None or not torch.isfinite(location.grad).all():
            raise SondeError(f"the {rewired.conditions.metric} or its gradient is {cost} at step {step + 1}: take another metric, or a smaller rate")
        down.step()
        if up is not None:
            up.step()
        costs.append(cost)
        shares.append(float(closed.detach()))
    final = torch.full(real.shape, -torch.inf)
    found = location.detach().cpu()
    if over == "edges":
        final[graph.real] = found
    else:
        nodes = torch.full((len(graph.senders),), torch.inf)
        nodes[free.cpu()] = found
        final = torch.where(graph.real, nodes[:, None], final)
    recipe = Recipe.of(
        f"sonde.circuits.{'edge_pruning' if ascending else 'subnetwork_probing'}",
        {**arguments, "graph": graph.summary, "ablation": vars(rewired.ablation)}, model_hash=model.hash, inputs=task.content, seed=seed,
    )  # fmt: skip
    return LearntMask(graph, final, over, method, rewired.conditions, torch.tensor(costs), torch.tensor(shares), recipe=recipe)


def _spread(z: Tensor, free: Tensor, real: Tensor, over: Over) -> Tensor:
    """What was drawn, as an amount for each edge."""
    if over == "edges":
        return torch.zeros(real.shape, dtype=z.dtype, device=z.device).masked_scatter(free, z)
    return torch.ones(len(free), dtype=z.dtype, device=z.device).masked_scatter(free, z)[:, None] * real
