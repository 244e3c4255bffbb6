"""From scores to a set of edges: the strongest, those above a threshold, or greedily from the logits down.

"Strongest" is by absolute value, or, signed, by how much ablating the edge makes the model worse: with signs, edges that stand against the answer
come last, so the circuit may do better than the model; without, they are part of it. The two rank differently, and published figures use both.
"""

import heapq

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Graph
from sonde.results import InputError, shown


def strengths(graph: Graph, values: Tensor, signed: bool, sign: int) -> Float[Tensor, "sender receiver"]:
    """How strong each edge is: -inf for what is no edge, or was not scored.

    Arguments:
        graph: of the edges.
        values: their scores: the change of the metric by the ablation, NaN where an edge was not scored.
        signed: whether edges that stand against the answer are the weakest.
        sign: 1 where more of the metric is better, -1 where less is.
    """
    found = -sign * values if signed else values.abs()
    return found.masked_fill(~graph.real | values.isnan(), -torch.inf)


def strongest(found: Float[Tensor, "sender receiver"], k: int) -> Bool[Tensor, "sender receiver"]:
    """The k strongest edges; of equal ones those whose sender comes first.

    Arguments:
        found: how strong they are.
        k: how many.

    Raises:
        InputError: none, or more than were scored.
    """
    refuse_size(found, k)
    mask = torch.zeros(found.numel(), dtype=torch.bool)
    mask[found.flatten().argsort(descending=True, stable=True)[:k]] = True
    return mask.view_as(found)


def above(found: Float[Tensor, "sender receiver"], least: float) -> Bool[Tensor, "sender receiver"]:
    """The edges that are at least so strong.

    Arguments:
        found: how strong they are.
        least: the threshold, in the unit of the scores.

    Raises:
        InputError: a threshold that keeps nothing.
    """
    if not (found >= least).any():
        raise InputError(f"threshold={least:g} keeps no edge: the strongest has {float(found.max()):.3g}; give a smaller one")
    return (found >= least) & found.isfinite()


def greedily(graph: Graph, found: Float[Tensor, "sender receiver"], k: int) -> Bool[Tensor, "sender receiver"]:
    """k edges from the logits down: again and again the strongest of those that lead into a node which is connected already.

    So every edge leads to the logits (Hanna, Pezzelle and Belinkov 2024, "Have Faith in Faithfulness"). A strong edge into a node whose own edge is
    weak comes late.

    Arguments:
        graph: of the edges.
        found: how strong they are.
        k: how many.

    Raises:
        InputError: none, or more than were scored and can be reached.
    """
    refuse_size(found, k)
    mask = torch.zeros_like(found, dtype=torch.bool)
    waiting: list[tuple[float, int, int]] = []
    readers, senders = torch.zeros(len(graph.receivers), dtype=torch.bool), set[int]()

    def connect(receivers: Tensor) -> None:
        for r in (receivers & ~readers).nonzero()[:, 0].tolist():
            readers[r] = True
            for s in found[:, r].isfinite().nonzero()[:, 0].tolist():
                heapq.heappush(waiting, (-float(found[s, r]), s, r))

    connect(graph.receiver_layer == graph.receiver_layer.max())
    for _ in range(k):
        if not waiting:
            raise InputError(f"k={k}: from the logits only {int(mask.sum())} scored edges can be reached; ask for fewer, or score all edges")
        _, s, r = heapq.heappop(waiting)
        mask[s, r] = True
        if s not in senders:
            senders.add(s)
            connect(graph.feeds[:, s])
    return mask


def refuse_size(found: Tensor, k: int) -> None:
    """Raise `InputError` unless k edges can be chosen.

    Arguments:
        found: how strong they are.
        k: how many.
    """
    scored = int(found.isfinite().sum())
    if not isinstance(k, int) or not 1 <= k <= scored:
        raise InputError(f"k={shown(k)}: give a number from 1 to {scored:,}, the edges that have a score")
