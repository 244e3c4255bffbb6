"""Is a circuit true? It is held against random circuits that have as many edges on paths from the embedding to the logits (Shi et al. 2024).

| claim | measured | control |
| --- | --- | --- |
| it is enough | the share of the gap that it alone restores | random circuits alone |
| it is needed | the share that is lost without it | the model without random circuits |
| each edge matters | what the loss of one of its edges changes in it | that of an edge of a random path that was added to it |
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model
from sonde.circuits.circuit import Circuit
from sonde.circuits.conditions import Conditions
from sonde.circuits.evaluation.draws import random_circuits, random_paths
from sonde.circuits.evaluation.measuring import Measured, rewired_for, seen, shares, without_gap
from sonde.circuits.rewire import Rewired
from sonde.evidence import compare, necessity, sufficiency, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import violins
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

MEMBERS = 64  # edges of a circuit that are taken away one at a time: a random sample of those of a larger one
ENOUGH = "share of the gap restored by the circuit alone; control: random connected circuits of as many edges"
NEEDED = "share of the gap lost without the circuit; control: without random connected circuits of as many edges"
MATTERS = "mean absolute change when one of its edges is ablated in it, share of the gap; control: edges of random paths added to it"
ANY = "none: any change above the control's counts"


@dataclass(frozen=True, eq=False, repr=False)
class RandomTest(Result):
    """A circuit beside random ones of its size: shares of the gap.

    Arguments:
        alone, lost: what the circuit alone restores, and what is lost without it.
        random_alone, random_lost: the same of each random circuit.
        members: what the loss of each of its edges changes in it.
        random_members: what the loss of an edge of a random path changes that was added to it.
        size: edges of the circuit that lie on a path from an embedding to the logits; of the random ones all do.
        conditions: what was measured, on what, and what the ablated edges carry.
        seen: how many of these examples the search has seen.
    """

    alone: float
    lost: float
    random_alone: Float[Tensor, " draw"]
    random_lost: Float[Tensor, " draw"]
    members: Float[Tensor, " member"]
    random_members: Float[Tensor, " draw"]
    size: int
    conditions: Conditions
    seen: int

    @property
    def p_sufficient(self) -> float:
        """How often a circuit as good would come by chance: (1 + the random ones that restore as much) / (1 + all of them)."""
        return _p(self.alone, self.random_alone)

    @property
    def p_necessary(self) -> float:
        """How often as much would be lost by chance without a circuit of this size."""
        return _p(self.lost, self.random_lost)

    @property
    def minimal(self) -> float:
        """The share of its edges whose loss changes more than that of 95 % of the random ones."""
        return float((self.members > self.random_members.quantile(0.95)).float().mean())

    def to_frame(self) -> "DataFrame":
        """One row per test."""
        import polars as pl

        rows = [
            {"test": "sufficiency", "circuit": self.alone, "random": float(self.random_alone.mean()), "p": self.p_sufficient},
            {"test": "necessity", "circuit": self.lost, "random": float(self.random_lost.mean()), "p": self.p_necessary},
            {"test": "minimality", "circuit": float(self.members.mean()), "random": float(self.random_members.mean()), "p": None},
        ]
        frame = pl.DataFrame(rows).with_columns(size=pl.lit(self.size), n=pl.lit(self.conditions.n), seen=pl.lit(self.seen))
        return frame.with_columns(conditions=pl.lit(str(self.conditions)))

    def drawing(self) -> Drawing:
        """The random circuits' shares, with those of the circuit in their labels."""
        labels = [f"enough: {self.alone:.2f}", f"needed: {self.lost:.2f}", f"an edge: {float(self.members.mean()):.3f}"]
        samples = [self.random_alone.tolist(), self.random_lost.tolist(), self.random_members.tolist()]
        note = f"random circuits of {self.size:,} edges; p {self.p_sufficient:.3g} and {self.p_necessary:.3g}; {self.conditions}"
        return violins("Do random circuits do as much?", "share of the gap", labels, samples, note=note)


@dataclass(frozen=True, eq=False)
class _Tried:
    """The metric, turned so that more is better, of everything that the tests need."""

    whole: Tensor
    nothing: Tensor
    alone: Tensor
    without: Tensor
    random: Tensor
    random_without: Tensor
    members: Tensor
    inflated: Tensor
    inflated_without: Tensor
    conditions: Conditions
    reason: str


def random_test(model: Model, circuit: Circuit, task: Task, ablation: Ablation | None = None, n_random: int = 100, seed: int = 0) -> RandomTest:
    """Compare a circuit with random ones of its actual size.

    Arguments:
        model: the model.
        circuit: the circuit.
        task: prompts, best those that the search has not seen.
        ablation: what the other edges carry; by default as in the search.
        n_random: how many random circuits.
        seed: of their draws.

    Raises:
        InputError: a circuit no edge of which is on a path from an embedding to the logits; no gap, with the figures.
    """
    size = _size(circuit)
    rewired = rewired_for(model, circuit.graph, task, ablation, circuit.conditions)
    tried = _try(rewired, circuit, size, n_random, seed)
    if tried.reason:
        raise InputError(f"{tried.reason}; choose another ablation, other examples or another metric")
    gap = (tried.whole - tried.nothing).mean()
    return RandomTest(
        float(shares(tried.alone[None], tried.whole, tried.nothing)), float((tried.whole - tried.without).mean() / gap),
        shares(tried.random, tried.whole, tried.nothing), (tried.whole - tried.random_without).mean(1) / gap,
        (tried.members - tried.alone).mean(1).abs() / gap, (tried.inflated_without - tried.inflated).mean(1).abs() / gap,
        size, tried.conditions, seen(circuit, tried.conditions),
        recipe=Recipe.of(
            "sonde.circuits.random_test", {"circuit": circuit.method, "ablation": str(rewired.ablation), "n_random": n_random},
            model_hash=model.hash, inputs=[task.content, circuit.mask], seed=seed,
        ),
    )  # fmt: skip


def judged(model: Model, circuit: Circuit, task: Task, ablation: Ablation | None, n_random: int, seed: int) -> list[Verdict]:
    """The verdicts of `Circuit.check`: sufficiency, necessity, minimality.

    Arguments:
        model, circuit, task, ablation, n_random, seed: as for `Circuit.check`.
    """
    rewired = rewired_for(model, circuit.graph, task, ablation, circuit.conditions)
    conditions, n = rewired.conditions, circuit.n_edges
    claims = [
        f"These {n:,} edges are enough for the answer.", f"These {n:,} edges are needed for the answer.", f"Each of these {n:,} edges matters.",
    ]  # fmt: skip
    known = seen(circuit, conditions)
    size = circuit.prune().n_edges
    reason = (
        f"{known} of the {conditions.n} examples were searched on, and what was searched on proves itself: give others, as task.split() makes them"
        if known else "" if size else "no edge of the circuit is on a path from an embedding to the logits"
    )  # fmt: skip
    if not reason:
        tried = _try(rewired, circuit, size, n_random, seed)
        reason = tried.reason
    if reason:
        asked = zip(claims, (ENOUGH, NEEDED, MATTERS), (HALF, HALF, 0.0), (HALF_SOURCE, HALF_SOURCE, ANY), strict=True)
        return [untestable(claim, what, reason, threshold=least, threshold_source=source) for claim, what, least, source in asked]
    gap = (tried.whole - tried.nothing).mean()
    moved, moved_random = (tried.members - tried.alone).abs().mean(0) / gap, (tried.inflated_without - tried.inflated).abs() / gap
    return [
        sufficiency(claims[0], tried.whole, tried.nothing, tried.alone, tried.random, measure=ENOUGH),
        necessity(claims[1], tried.whole, tried.nothing, tried.without, tried.random_without, measure=NEEDED),
        compare(claims[2], MATTERS, moved, moved_random, threshold=0.0, threshold_source=ANY),
    ]


def _try(rewired: Rewired, circuit: Circuit, size: int, n_random: int, seed: int) -> _Tried:
    """Everything that the tests need, in one go."""
    if n_random < 2:
        raise InputError(f"n_random={n_random}: at least two random circuits say how they vary")
    graph, mask = circuit.graph, circuit.mask
    generator = torch.Generator().manual_seed(seed)
    drawn = random_circuits(graph, size, n_random, seed)
    members = _one_less(mask, generator)
    inflated, less = _inflated(circuit, n_random, generator)
    parts = [mask[None], (graph.real & ~mask)[None], drawn, graph.real & ~drawn, members, inflated, less, graph.real[None], graph.real[None] & False]
    values = rewired.conditions.sign * rewired.values(torch.cat(parts)).cpu()
    alone, without, random, random_without, one_less, full, full_less, whole, nothing = values.split([len(part) for part in parts])
    found = Measured(values, whole[0] * rewired.conditions.sign, nothing[0] * rewired.conditions.sign, rewired.conditions)
    return _Tried(
        whole[0], nothing[0], alone[0], without[0], random, random_without, one_less, full, full_less, rewired.conditions, without_gap(found)
    )


def _one_less(mask: Tensor, generator: torch.Generator) -> Bool[Tensor, "member sender receiver"]:
    """A circuit without each of its edges."""
    places = mask.nonzero()
    places = places[torch.randperm(len(places), generator=generator)[:MEMBERS]]
    found = mask.expand(len(places), -1, -1).clone()
    found[torch.arange(len(places)), places[:, 0], places[:, 1]] = False
    return found


def _inflated(circuit: Circuit, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A circuit with a random path added, and that without one edge of the path which is new; as it is where no path adds anything."""
    full, less = (circuit.mask.expand(n, -1, -1).clone() for _ in range(2))
    paths = random_paths(circuit.graph, n, generator)
    full[paths[:, 0], paths[:, 1], paths[:, 2]] = True
    for i in range(n):
        less[i] = full[i]
        new = (full[i] & ~circuit.mask).nonzero()
        if len(new):
            s, r = new[int(torch.randint(len(new), (), generator=generator))].tolist()
            less[i, s, r] = False
    return full, less


def _size(circuit: Circuit) -> int:
    size = circuit.prune().n_edges
    if not size:
        raise InputError(f"no edge of this circuit ({circuit.method}) is on a path from an embedding to the logits: there is nothing to test")
    return size


def _p(value: float, random: Tensor) -> float:
    return (1 + int((random >= value).sum())) / (1 + len(random))
