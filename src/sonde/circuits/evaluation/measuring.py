"""What every evaluation of circuits shares: the metric of the whole, of nothing and of sets of edges, as shares of the gap.

    share(S) = (m(S) - m(nothing)) / (m(everything) - m(nothing))

m is the mean over examples of the metric, turned so that more is better; a ratio of means, not a mean of ratios, which the examples whose own gap is
small would rule. "Nothing" is the run in which every edge is ablated, by the same ablation.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Graph, Model
from sonde.circuits.circuit import Circuit
from sonde.circuits.conditions import Conditions
from sonde.circuits.rewire import COUNTERFACTUAL, Rewired, rewire
from sonde.evidence import Estimate, bootstrap, no_gap
from sonde.results import InputError
from sonde.tasks import Ablation, Task


@dataclass(frozen=True, eq=False)
class Measured:
    """The metric of sets of edges, beside that of everything and of nothing.

    Arguments:
        values: with only these edges intact, one row for each set.
        whole, nothing: with all edges, and with none.
        conditions: what was measured.
    """

    values: Float[Tensor, "set example"]
    whole: Float[Tensor, " example"]
    nothing: Float[Tensor, " example"]
    conditions: Conditions


def measured(rewired: Rewired, masks: Bool[Tensor, "set sender receiver"]) -> Measured:
    """The metric of sets of edges, all in one go.

    Arguments:
        rewired: the task.
        masks: the sets.

    Raises:
        InputError: the metric is not surely better with everything than with nothing, with the figures.
    """
    real = rewired.graph.real
    values = rewired.values(torch.cat([masks, real[None], torch.zeros_like(real)[None]])).cpu()
    found = Measured(values[:-2], values[-2], values[-1], rewired.conditions)
    if reason := without_gap(found):
        raise InputError(f"{reason}; choose another ablation, other examples or another metric")
    return found


def without_gap(found: Measured) -> str:
    """Why there is no gap to take shares of; empty where there is one.

    Arguments:
        found: what was measured.
    """
    sign = found.conditions.sign
    return no_gap(sign * found.whole, sign * found.nothing)


def shares(values: Float[Tensor, "set example"], whole: Float[Tensor, " example"], nothing: Float[Tensor, " example"]) -> Float[Tensor, " set"]:
    """The share of the gap that each set of edges restores.

    Arguments:
        values: the metric with only the set intact.
        whole, nothing: with everything, and with nothing.
    """
    return (values - nothing).mean(1) / (whole - nothing).mean()


def estimates(values: Float[Tensor, "set example"], whole: Float[Tensor, " example"], nothing: Float[Tensor, " example"]) -> list[Estimate]:
    """The same with their 95 % intervals over examples (bootstrap of the ratio of means); ends are NaN for a single example.

    Arguments:
        values: the metric with only the set intact.
        whole, nothing: with everything, and with nothing.
    """
    points = shares(values, whole, nothing)
    if values.shape[1] < 2 or not len(values):
        return [Estimate(point, float("nan"), float("nan")) for point in points.tolist()]
    stacked = torch.cat([values - nothing, (whole - nothing)[None]]).T
    low, high = bootstrap(stacked, of=lambda mean: mean[..., :-1] / mean[..., -1:])
    return [Estimate(*three) for three in zip(points.tolist(), low.tolist(), high.tolist(), strict=True)]


def rewired_for(model: Model, graph: Graph, task: Task, ablation: Ablation | None, searched: Conditions | None) -> Rewired:
    """A task with edges ablated as in the search, unless told otherwise.

    Arguments:
        model, graph, task: as for `rewire`.
        ablation: the kind; `None` for that of the search.
        searched: the conditions of the search.
    """
    return rewire(model, graph, task, ablation or (searched.ablation if searched else COUNTERFACTUAL))


def seen(circuit: Circuit, conditions: Conditions) -> int:
    """How many of the examples the search for a circuit has seen.

    Arguments:
        circuit: what was found.
        conditions: of the evaluation.
    """
    return circuit.conditions.seen(conditions.examples) if circuit.conditions else 0
