"""Is it all, and is there nothing too much in it? What happens to a circuit, and to the model, when the same parts are taken from both.

    completeness   |m(C without K) - m(M without K)| / gap       for sets K of its members: large where something is missing
    minimality     |m(C without v) - m(C)| / gap                 for each member v: small where it is too much

of Wang et al. 2022. A member is a node, with all edges that it has in the circuit or in the model, or a single edge.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model
from sonde.circuits.circuit import Circuit
from sonde.circuits.conditions import Conditions
from sonde.circuits.evaluation.measuring import measured, rewired_for
from sonde.circuits.rewire import Rewired
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import Points, bars, scatter
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

Level = Literal["nodes", "edges"]


@dataclass(frozen=True, eq=False, repr=False)
class Completeness(Result):
    """A circuit and the model after losing the same members.

    Arguments:
        taken: the members taken away, set by set.
        circuit, model: the metric of either without them.
        gap: what there is between everything and nothing, the mean over examples.
        conditions: what was measured, on what, and what the ablated edges carry.
    """

    taken: list[tuple[str, ...]]
    circuit: Float[Tensor, "set example"]
    model: Float[Tensor, "set example"]
    gap: float
    conditions: Conditions

    @property
    def differences(self) -> Float[Tensor, " set"]:
        """How differently both react, as a share of the gap: 0 for each set where nothing is missing."""
        return ((self.circuit - self.model).mean(1) / self.gap).abs()

    @property
    def worst(self) -> tuple[str, ...]:
        """The members whose loss tells circuit and model apart the most."""
        return self.taken[int(self.differences.argmax())]

    def to_frame(self) -> "DataFrame":
        """One row per set."""
        import polars as pl

        columns = {
            "taken": [", ".join(one) for one in self.taken], "circuit": self.circuit.mean(1).tolist(), "model": self.model.mean(1).tolist(),
            "difference": self.differences.tolist(),
        }  # fmt: skip
        return pl.DataFrame(columns).with_columns(n=pl.lit(self.conditions.n), conditions=pl.lit(str(self.conditions)))

    def drawing(self) -> Drawing:
        """The circuit's metric over the model's: on the diagonal where nothing is missing."""
        points = Points("sets of members", self.model.mean(1), self.circuit.mean(1), labels=[", ".join(one) or "nothing" for one in self.taken])
        unit = self.conditions.unit
        axes = f"model without them, {unit}", f"circuit without them, {unit}"
        return scatter("Is it all?", *axes, [points], diagonal="nothing is missing", note=str(self.conditions))


@dataclass(frozen=True, eq=False, repr=False)
class Minimality(Result):
    """A circuit without each of its members.

    Arguments:
        members: taken away one at a time.
        without: the circuit's metric without each.
        alone: with all of them.
        gap: what there is between everything and nothing, the mean over examples.
        conditions: what was measured, on what, and what the ablated edges carry.
    """

    members: list[str]
    without: Float[Tensor, "member example"]
    alone: Float[Tensor, " example"]
    gap: float
    conditions: Conditions

    @property
    def changes(self) -> Float[Tensor, " member"]:
        """What the loss of each member changes, as a share of the gap: negative where the circuit does worse without it."""
        return (self.without - self.alone).mean(1) / self.gap

    def to_frame(self) -> "DataFrame":
        """One row per member, the one that matters most first."""
        import polars as pl

        frame = pl.DataFrame({"member": self.members, "change": self.changes.tolist()}, schema={"member": pl.String, "change": pl.Float64})
        frame = frame.with_columns(n=pl.lit(self.conditions.n), conditions=pl.lit(str(self.conditions)))
        return frame.sort(pl.col("change").abs(), descending=True, maintain_order=True)

    def drawing(self) -> Drawing:
        """The changes as ranked bars."""
        return bars("Does each member matter?", "share of the gap", self.members, self.changes, zero="is not missed", note=str(self.conditions))


def completeness(
    model: Model, circuit: Circuit, task: Task, ablation: Ablation | None = None, taken: Literal["sampled", "greedy"] = "sampled", n: int = 20,
    level: Level = "nodes", seed: int = 0,
) -> Completeness:  # fmt: skip
    """Take the same members from a circuit and from the model, and compare.

    Arguments:
        model: the model.
        circuit: the circuit.
        task: prompts, best those that the search has not seen.
        ablation: what the other edges carry; by default as in the search.
        taken: "sampled": random sets of members, each member in half of them; "greedy": one member more at a time, the one that tells both apart the
            most.
        n: how many sets, or how many members at most. The empty set comes first.
        level: whether members are nodes or edges.
        seed: of the sets.

    Raises:
        InputError: a circuit without members, another word; no gap between everything and nothing, with the figures.
    """
    if taken not in ("sampled", "greedy") or n < 1:
        raise InputError(f"taken={shown(taken)}, n={shown(n)}: use 'sampled' or 'greedy', and at least one set")
    members, touched = _members(circuit, level)
    rewired = rewired_for(model, circuit.graph, task, ablation, circuit.conditions)
    sets: list[tuple[int, ...]] = [()] if taken == "greedy" else [(), *_sampled(len(members), n, seed)]
    circuits, models, gap = _both_without(rewired, circuit, touched, sets)
    while taken == "greedy" and len(sets) <= min(n, len(members)):
        tried = [(*sets[-1], i) for i in range(len(members)) if i not in sets[-1]]
        if not tried:
            break
        ours, theirs, _ = _both_without(rewired, circuit, touched, tried)
        best = int((ours - theirs).mean(1).abs().argmax())
        sets.append(tried[best])
        circuits, models = torch.cat([circuits, ours[best : best + 1]]), torch.cat([models, theirs[best : best + 1]])
    return Completeness(
        [tuple(members[i] for i in one) for one in sets], circuits, models, gap, rewired.conditions,
        recipe=_recipe("completeness", model, circuit, task, rewired, seed, taken=taken, n=n, level=level),
    )  # fmt: skip


def minimality(model: Model, circuit: Circuit, task: Task, ablation: Ablation | None = None, level: Level = "nodes") -> Minimality:
    """Take each member from a circuit by itself.

    Arguments:
        model: the model.
        circuit: the circuit.
        task: prompts, best those that the search has not seen.
        ablation: what the other edges carry; by default as in the search.
        level: whether members are nodes or edges.

    Raises:
        InputError: a circuit without members; no gap between everything and nothing, with the figures.
    """
    members, touched = _members(circuit, level)
    rewired = rewired_for(model, circuit.graph, task, ablation, circuit.conditions)
    found = measured(rewired, torch.cat([circuit.mask[None], circuit.mask[None] & ~touched]))
    gap = float((found.whole - found.nothing).mean())
    recipe = _recipe("minimality", model, circuit, task, rewired, None, level=level)
    return Minimality(members, found.values[1:], found.values[0], gap, found.conditions, recipe=recipe)


def _members(circuit: Circuit, level: str) -> tuple[list[str], Bool[Tensor, "member sender receiver"]]:
    """The members' names, and the edges of the whole graph that go with each."""
    graph = circuit.graph
    if level not in ("nodes", "edges"):
        raise InputError(f"level={shown(level)}: members are 'nodes' or 'edges'")
    if not circuit.n_edges:
        raise InputError("the circuit has no edges, so it has no members to take away")
    if level == "edges":
        places = circuit.mask.T.nonzero().tolist()
        touched = torch.zeros(len(places), *circuit.mask.shape, dtype=torch.bool)
        for i, (r, s) in enumerate(places):
            touched[i, s, r] = True
        return [f"{graph.senders[s]} -> {graph.receivers[r]}" for r, s in places], touched
    senders = [i for i in circuit.mask.any(1).nonzero()[:, 0].tolist() if graph.sender_layer[i] >= 0]
    touched = torch.zeros(len(senders), *circuit.mask.shape, dtype=torch.bool)
    for i, s in enumerate(senders):
        touched[i, s] = True
        # inputs that it shares with others, such as a key of several heads, are theirs as well
        own = graph.feeds[:, s] & (graph.feeds.sum(1) == 1)
        touched[i, :, own] = True
    return [graph.senders[s] for s in senders], touched


def _sampled(members: int, n: int, seed: int) -> list[tuple[int, ...]]:
    draws = torch.rand(n, members, generator=torch.Generator().manual_seed(seed)) < 0.5
    return [tuple(row.nonzero()[:, 0].tolist()) for row in draws]


def _both_without(rewired: Rewired, circuit: Circuit, touched: Tensor, sets: list[tuple[int, ...]]) -> tuple[Tensor, Tensor, float]:
    """The metric of the circuit and of the model without each set of members, and the gap."""
    gone = torch.stack([touched[list(one)].any(0) if one else torch.zeros_like(circuit.mask) for one in sets])
    found = measured(rewired, torch.cat([circuit.mask & ~gone, circuit.graph.real & ~gone]))
    ours, theirs = found.values.chunk(2)
    return ours, theirs, float((found.whole - found.nothing).mean())


def _recipe(name: str, model: Model, circuit: Circuit, task: Task, rewired: Rewired, seed: int | None, **arguments: object) -> Recipe:
    return Recipe.of(
        f"sonde.circuits.{name}", {"circuit": circuit.method, "ablation": str(rewired.ablation), **arguments}, model_hash=model.hash,
        inputs=[task.content, circuit.mask], seed=seed,
    )  # fmt: skip
