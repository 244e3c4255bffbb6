"""How well do scores, or circuits, recover a circuit that is known?

Every real edge of the graph counts once: those of the reference are the positives, all others the negatives. An edge that was not scored, or is in no
circuit, is ranked last, so a positive that is missing is a false negative and a negative that is missing a true one. Equal scores are halved (the
area is that of the Mann-Whitney statistic). Areas of published figures follow other conventions, and are comparable within one of them only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Graph
from sonde.circuits.circuit import Circuit, same_graph
from sonde.circuits.evaluation.subsets import Level
from sonde.circuits.results import EdgeScores
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import Points, scatter

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Recovery(Result):
    """The receiver operating characteristic against a known circuit.

    Arguments:
        false_positives, true_positives: the rates at each threshold, from none to all.
        auc: the area under the curve: 1 where every member comes before every other edge, 0.5 by chance.
        level: what counts, edges or nodes.
        method: what was compared.
        reference: with what.
        n_positive, n_negative: how many there are.
    """

    false_positives: Float[Tensor, " threshold"]
    true_positives: Float[Tensor, " threshold"]
    auc: float
    level: Level
    method: str
    reference: str
    n_positive: int
    n_negative: int

    def to_frame(self) -> "DataFrame":
        """One row per threshold."""
        import polars as pl

        return pl.DataFrame({"false_positives": self.false_positives.tolist(), "true_positives": self.true_positives.tolist()})

    def drawing(self) -> Drawing:
        """The curve, beside the diagonal of chance."""
        points = Points(self.method, self.false_positives, self.true_positives, joined=True)
        note = f"area {self.auc:.3f}; {self.n_positive:,} {self.level} of {self.reference}, {self.n_negative:,} others, each counted once"
        return scatter("Is the known circuit recovered?", "false positives, share", "true positives, share", [points], diagonal="chance", note=note)


def roc(scores: EdgeScores, reference: Circuit, level: Level = "edges", signed: bool = False) -> Recovery:
    """Compare scores with a known circuit.

    Arguments:
        scores: of the edges.
        reference: the known circuit, of the same graph.
        level: edges, or nodes: each as strong as its strongest outgoing edge.
        signed: whether edges that stand against the answer count as the weakest.

    Raises:
        InputError: a reference of another graph, or one that has nothing or everything.
    """
    same_graph(scores.graph, reference.graph)
    return _recovery(scores.graph, scores.strengths(signed), reference, level, scores.method)


def roc_of(circuits: Sequence[Circuit], reference: Circuit, level: Level = "edges") -> Recovery:
    """Compare several circuits, such as those of one method at several thresholds, with a known one.

    An edge is as strong as the number of circuits that it is in, so that the curve is one ranking also where the circuits are not nested.

    Arguments:
        circuits: what was found, of the same graph.
        reference: the known circuit.
        level: edges or nodes.

    Raises:
        InputError: no circuits, one of another graph, or a reference that has nothing or everything.
    """
    if not circuits:
        raise InputError("there are no circuits to compare: give at least one")
    for one in circuits:
        same_graph(one.graph, reference.graph)
    counts = torch.stack([one.mask for one in circuits]).sum(0).float()
    counts = counts.masked_fill(~reference.graph.real, -torch.inf)
    return _recovery(reference.graph, counts, reference, level, f"{len(circuits)} circuits, {circuits[0].method}")


def _recovery(graph: Graph, strength: Tensor, reference: Circuit, level: Level, method: str) -> Recovery:
    from sklearn.metrics import roc_auc_score, roc_curve

    if level not in ("edges", "nodes"):
        raise InputError(f"level={shown(level)}: compare 'edges' or 'nodes'")
    if level == "edges":
        values, truth = strength[graph.real], reference.mask[graph.real]
    else:
        values, truth = strength.amax(1), reference.mask.any(1)
    values = _finite(values)
    if not truth.any() or truth.all():
        raise InputError(f"the reference {reference.method} has {int(truth.sum())} of {len(truth)} {level}: there is nothing to tell apart")
    false, true, _ = roc_curve(truth.numpy(), values.numpy(), drop_intermediate=False)
    return Recovery(
        torch.tensor(false), torch.tensor(true), float(roc_auc_score(truth.numpy(), values.numpy())), level, method, reference.method,
        int(truth.sum()), int((~truth).sum()),
        recipe=Recipe.of(
            "sonde.circuits.roc", {"method": method, "reference": reference.method, "level": level}, model_hash=reference.recipe.model_hash,
            inputs=[values, reference.mask],
        ),
    )  # fmt: skip


def _finite(values: Tensor) -> Tensor:
    """What has no score ranks last, and all of it alike."""
    known: Bool[Tensor, " value"] = values.isfinite()
    least = float(values[known].min()) - 1 if known.any() else 0.0
    return values.double().masked_fill(~known, least)
