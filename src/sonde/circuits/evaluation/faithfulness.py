"""Does a circuit alone do what the model does, and does the model without it fail?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.circuits.circuit import Circuit, named, same_graph
from sonde.circuits.conditions import Conditions
from sonde.circuits.evaluation.draws import random_circuits
from sonde.circuits.evaluation.measuring import estimates, measured, rewired_for, seen, shares
from sonde.evidence import Estimate
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import table
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
    """Circuits, and the metric with each of them alone and with each of them gone.

    Arguments:
        names: of the circuits.
        nominal, actual: their edges as asked for, and those that lie on a path from an embedding to the logits.
        alone: the metric with only the circuit intact.
        without: with everything but the circuit intact.
        whole, nothing: with all edges intact, and with none.
        random: with only a random connected circuit of the same actual size intact.
        conditions: what was measured, on what, and what the ablated edges carry.
        seen: how many of these examples the search for each circuit has seen.
    """

    names: list[str]
    nominal: list[int]
    actual: list[int]
    alone: Float[Tensor, "circuit example"]
    without: Float[Tensor, "circuit example"]
    whole: Float[Tensor, " example"]
    nothing: Float[Tensor, " example"]
    random: Float[Tensor, "circuit draw example"]
    conditions: Conditions
    seen: list[int]

    @property
    def faithfulness(self) -> list[Estimate]:
        """The share of the gap that each circuit alone restores: 1 where it does all that the model does, above where it does more."""
        return estimates(self.alone, self.whole, self.nothing)

    @property
    def kept_without(self) -> list[Estimate]:
        """The share of the gap that is left without each circuit: 0 where nothing else does the work."""
        return estimates(self.without, self.whole, self.nothing)

    @property
    def random_faithfulness(self) -> Float[Tensor, "circuit draw"]:
        """The shares that the random circuits restore."""
        return torch.stack([shares(draws, self.whole, self.nothing) for draws in self.random])

    def to_frame(self) -> "DataFrame":
        """One row per circuit, with the conditions."""
        import polars as pl

        found, left, random = self.faithfulness, self.kept_without, self.random_faithfulness
        rows = [
            {
                "circuit": name, "nominal": self.nominal[i], "actual": self.actual[i],
                "faithfulness": found[i].value, "low": found[i].low, "high": found[i].high,
                "without": left[i].value, "without_low": left[i].low, "without_high": left[i].high,
                "random": float(random[i].mean()) if random.shape[1] else None, "seen": self.seen[i],
            }
            for i, name in enumerate(self.names)
        ]  # fmt: skip
        return pl.DataFrame(rows).with_columns(n=pl.lit(self.conditions.n), conditions=pl.lit(str(self.conditions)))

    def drawing(self) -> Drawing:
        """One row per circuit."""
        frame, found, left = self.to_frame(), self.faithfulness, self.kept_without
        columns = ["circuit", "edges", "on a path", "alone", "model without it", "random of its size"]
        rows = frame.select("circuit", "nominal", "actual", "faithfulness", "without", "random").rows()
        ends = [[None, None, None, (f.low, f.high), (w.low, w.high), None] for f, w in zip(found, left, strict=True)]
        note = f"1 is the whole gap, {float((self.whole - self.nothing).mean()):+.3g}; {self.conditions}{self._warning()}"
        return table("Is it enough, and is it needed?", columns, rows, intervals=ends, unit="share of the gap", note=note)

    def _warning(self) -> str:
        if not any(self.seen):
            return ""
        return f"; the searches have seen {', '.join(map(str, self.seen))} of these examples: what was searched on proves itself"


def evaluate(
    model: Model, circuits: Circuit | Sequence[Circuit] | Mapping[str, Circuit], task: Task, ablation: Ablation | None = None, n_random: int = 10,
    seed: int = 0,
) -> Evaluation:  # fmt: skip
    """Measure circuits on a task, all in one go.

    Arguments:
        model: the model.
        circuits: one, several, or several by name, all of one graph.
        task: prompts, best those that the search has not seen.
        ablation: what the other edges carry; by default as in the search for the first circuit.
        n_random: random circuits that each is compared with.
        seed: of their draws.

    Raises:
        InputError: no circuits, or of different graphs; no gap between everything and nothing, with the figures.

    >>> import sonde
    >>> from sonde.circuits import Circuit
    >>> model, graph = sonde.load("specimen:words"), None
    >>> task = sonde.tasks.load("agreement", model, n=8)
    >>> nothing = Circuit.of(model, [])
    >>> [round(share.value, 3) for share in evaluate(model, [nothing, ~nothing], task, n_random=0).faithfulness]
    [0.0, 1.0]
    """
    by_name = named(circuits)
    if not by_name:
        raise InputError("there are no circuits to evaluate: give at least one")
    all_ = list(by_name.values())
    graph = all_[0].graph
    for one in all_:
        same_graph(graph, one.graph)
    rewired = rewired_for(model, graph, task, ablation, all_[0].conditions)
    actual = [one.prune().n_edges for one in all_]
    drawn = [random_circuits(graph, size, n_random, seed + i) for i, size in enumerate(actual)]
    found = measured(rewired, torch.cat([torch.stack([one.mask for one in all_]), torch.stack([(~one).mask for one in all_]), *drawn]))
    n = len(all_)
    return Evaluation(
        list(by_name), [one.nominal or one.n_edges for one in all_], actual, found.values[:n], found.values[n : 2 * n], found.whole, found.nothing,
        found.values[2 * n :].unflatten(0, (n, n_random)), found.conditions, [seen(one, found.conditions) for one in all_],
        recipe=Recipe.of(
            "sonde.circuits.evaluate", {"circuits": list(by_name), "ablation": str(rewired.ablation), "n_random": n_random},
            model_hash=model.hash, inputs=[task.content, *(one.mask for one in all_)], seed=seed,
        ),
    )  # fmt: skip


def faithfulness(model: Model, circuit: Circuit, task: Task, ablation: Ablation | None = None) -> Estimate:
    """The share of the gap that a circuit alone restores, with its interval over examples.

    Arguments:
        model: the model.
        circuit: the circuit.
        task: prompts, best those that the search has not seen.
        ablation: what the other edges carry; by default as in the search.

    Raises:
        InputError: no gap between everything and nothing, with the figures.
    """
    return evaluate(model, circuit, task, ablation, n_random=0).faithfulness[0]
