"""How good is a ranking of edges? The faithfulness of its strongest k edges, over k (MIB, Mueller et al. 2025).

    CPR = integral of f dk         CMD = integral of |1 - f| dk         k from the smallest share of all edges to 1

CPR, the circuit performance ratio, rewards circuits that do more than the model, f > 1: it suits signed rankings. CMD, the circuit-model distance,
wants f = 1: it suits absolute ones. On MIB's sizes half of either integral is the stretch from half of the edges to all of them: a ranking that is
useless until it is complete has CPR .25 and CMD .749, and a perfect one .999 and 0. Over log k, each factor of ten counts alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.circuits.conditions import Conditions
from sonde.circuits.evaluation.draws import Draw, random_circuits
from sonde.circuits.evaluation.measuring import estimates, measured, rewired_for, shares
from sonde.circuits.results import EdgeScores
from sonde.evidence import Estimate
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import Series, lines
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

MIB_SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The shares of all edges at which MIB evaluates a ranking."""


@dataclass(frozen=True, eq=False, repr=False)
class FaithfulnessCurve(Result):
    """The metric with only the k strongest edges intact, for several k.

    Arguments:
        method: of the scores.
        signed: whether edges that stand against the answer counted as the weakest.
        fractions: the sizes, as shares of all edges.
        nominal, actual: the edges asked for, and those of them that lie on a path from an embedding to the logits.
        values: the metric with only those intact.
        whole, nothing: with all edges, and with none.
        random: with only a random circuit intact that has as many edges.
        random_kind: "connected": as many on a path; "edges": as many, drawn by themselves.
        conditions: what was measured, on what, and what the ablated edges carry.
        seen: how many of these examples the scores were computed on.
    """

    method: str
    signed: bool
    fractions: list[float]
    nominal: list[int]
    actual: list[int]
    values: Float[Tensor, "size example"]
    whole: Float[Tensor, " example"]
    nothing: Float[Tensor, " example"]
    random: Float[Tensor, "size draw example"]
    random_kind: Draw
    conditions: Conditions
    seen: int

    @property
    def faithfulness(self) -> list[Estimate]:
        """The share of the gap that the circuit of each size restores."""
        return estimates(self.values, self.whole, self.nothing)

    @property
    def random_faithfulness(self) -> Float[Tensor, "size draw"]:
        """The shares that the random circuits restore."""
        return torch.stack([shares(draws, self.whole, self.nothing) for draws in self.random])

    @property
    def cpr(self) -> float:
        """The integral of the faithfulness over the share of edges."""
        return area(self.fractions, self._shares())

    @property
    def cmd(self) -> float:
        """The integral of the distance of the faithfulness from 1 over the share of edges."""
        return area(self.fractions, (1 - self._shares()).abs())

    @property
    def cpr_log(self) -> float:
        """The mean faithfulness over the logarithm of the share of edges."""
        return area(self.fractions, self._shares(), log=True)

    @property
    def cmd_log(self) -> float:
        """The mean distance of the faithfulness from 1 over the logarithm of the share of edges."""
        return area(self.fractions, (1 - self._shares()).abs(), log=True)

    def to_frame(self) -> "DataFrame":
        """One row per size, with the conditions."""
        import polars as pl

        random = self.random_faithfulness
        columns: dict[str, Any] = {
            "share": self.fractions, "nominal": self.nominal, "actual": self.actual,
            "faithfulness": [e.value for e in self.faithfulness], "low": [e.low for e in self.faithfulness],
            "high": [e.high for e in self.faithfulness],
        }  # fmt: skip
        if random.shape[1]:
            columns |= {"random": random.mean(1).tolist(), "random_low": random.amin(1).tolist(), "random_high": random.amax(1).tolist()}
        return pl.DataFrame(columns).with_columns(method=pl.lit(self.method), n=pl.lit(self.conditions.n), conditions=pl.lit(str(self.conditions)))

    def drawing(self) -> Drawing:
        """The faithfulness over the number of edges, with the band of the random circuits."""
        kept = [i for i, n in enumerate(self.nominal) if n not in self.nominal[:i]]  # shares of a small graph may be one number of edges
        estimated, random = self.faithfulness, self.random_faithfulness[kept]
        sizes, found = [self.nominal[i] for i in kept], [estimated[i] for i in kept]
        series = [Series(self.method, [e.value for e in found], [e.low for e in found], [e.high for e in found])]
        what = "random connected circuits" if self.random_kind == "connected" else "random edges"
        band = Series(f"{what}, as many", random.mean(1), random.amin(1), random.amax(1)) if random.shape[1] else None
        seen = f"; the search has seen {self.seen} of these examples" if self.seen else ""
        note = (
            f"CPR {self.cpr:.3f}, CMD {self.cmd:.3f}, over log size {self.cpr_log:.3f} and {self.cmd_log:.3f}; "
            f"{'signed' if self.signed else 'by absolute value'}; {self.conditions}{seen}"
        )
        return lines("How many edges does it take?", "share of the gap", "edges", sizes, series, spacing="log", control=band, note=note)

    def _shares(self) -> Tensor:
        return shares(self.values, self.whole, self.nothing)


def faithfulness_curve(
    model: Model, scores: EdgeScores, task: Task, sizes: Sequence[float | int] = MIB_SIZES, signed: bool = False, ablation: Ablation | None = None,
    n_random: int = 5, random_kind: Draw = "connected", seed: int = 0,
) -> FaithfulnessCurve:  # fmt: skip
    """Evaluate a ranking at several sizes, in one go.

    Arguments:
        model: the model.
        scores: the ranking.
        task: prompts, best those that the scores have not seen.
        sizes: of the circuits, growing: shares of all edges (`float`, up to 1.0) or numbers of edges (`int`).
        signed: whether edges that stand against the answer count as the weakest.
        ablation: what the other edges carry; by default as with the scores.
        n_random: random circuits at each size.
        random_kind: "connected": random paths, as many edges as lie on paths in the circuit; "edges": as many as were asked for, drawn by themselves.
        seed: of their draws.

    Raises:
        InputError: sizes that cannot be; no gap between everything and nothing, with the figures.
    """
    graph = scores.graph
    shares_of = [_share(size, graph.n_edges) for size in sizes]
    if not sizes or sorted(set(shares_of)) != shares_of:
        raise InputError(f"sizes={shown(list(sizes))}: give growing shares of all edges up to 1.0, or numbers of edges up to {graph.n_edges:,}")
    counts = [max(1, round(share * graph.n_edges)) for share in shares_of]
    circuits = [scores.top(count, signed) for count in counts]
    actual = [one.n_edges for one in circuits]
    of_size = actual if random_kind == "connected" else counts
    drawn = [random_circuits(graph, size, n_random, seed + i, random_kind) for i, size in enumerate(of_size)]
    found = measured(rewired_for(model, graph, task, ablation, scores.conditions), torch.cat([torch.stack([one.mask for one in circuits]), *drawn]))
    n = len(circuits)
    return FaithfulnessCurve(
        scores.method, signed, shares_of, counts, actual, found.values[:n], found.whole, found.nothing,
        found.values[n:].unflatten(0, (n, n_random)), random_kind, found.conditions, scores.conditions.seen(found.conditions.examples),
        recipe=Recipe.of(
            "sonde.circuits.faithfulness_curve",
            {"method": scores.method, "sizes": list(sizes), "signed": signed, "ablation": str(found.conditions.ablation), "n_random": n_random},
            model_hash=model.hash, inputs=[task.content, scores.values], seed=seed,
        ),
    )  # fmt: skip


def area(fractions: Sequence[float], values: Float[Tensor, " size"], log: bool = False) -> float:
    """The integral of values over sizes by the trapezoid rule; over their logarithms divided by its length, so that 1 everywhere gives 1.

    Arguments:
        fractions: the sizes, growing.
        values: one for each.
        log: over the logarithm of the size.

    >>> perfect = torch.ones(10)
    >>> round(area(MIB_SIZES, perfect), 6), round(area(MIB_SIZES, perfect, log=True), 6)
    (0.999, 1.0)
    """
    x = torch.tensor(fractions, dtype=torch.float64)
    y = values.double()
    if log:
        x = x.log()
        if len(x) > 1:
            x = x / (x[-1] - x[0])
    return float(torch.trapezoid(y, x))


def _share(size: float | int, n_edges: int) -> float:
    if isinstance(size, bool) or not 0 < size <= (n_edges if isinstance(size, int) else 1.0):
        raise InputError(f"sizes has {shown(size)}: give shares of all edges above 0 up to 1.0, or numbers of edges from 1 to {n_edges:,}")
    return size / n_edges if isinstance(size, int) else float(size)
