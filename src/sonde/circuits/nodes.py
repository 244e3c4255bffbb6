"""Which nodes of a graph a set of edges connects, and how much of a component a node is."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

if TYPE_CHECKING:
    from sonde.access import Graph, Part


def reached(graph: "Graph", kept: Tensor) -> Bool[Tensor, "*mask sender"]:
    """The senders to which kept edges lead from an embedding; the embeddings themselves are.

    Arguments:
        graph: of the nodes.
        kept: the edges, [sender, receiver] or [mask, sender, receiver].
    """
    masks = (kept if kept.ndim == 3 else kept[None]) & graph.real
    found = (graph.sender_layer < 0).expand(len(masks), -1).clone()
    for step in sorted(set(graph.sender_step[graph.sender_layer >= 0].tolist())):
        now = (graph.sender_step == step).nonzero().squeeze(1)
        inputs = graph.feeds[:, now].any(1).nonzero().squeeze(1)
        read = (masks[:, :, inputs] & found[:, :, None]).any(1)
        found[:, now] = (read[:, :, None] & graph.feeds[inputs][:, now][None]).any(1)
    return found if kept.ndim == 3 else found[0]


def pruned(graph: "Graph", kept: Bool[Tensor, "mask sender receiver"]) -> Bool[Tensor, "mask sender receiver"]:
    """Sets of edges without those that come from nowhere or lead nowhere.

    Arguments:
        graph: of the nodes.
        kept: the sets.
    """
    return kept & graph.real & reached(graph, kept)[:, :, None] & graph.live(kept)[1][:, None, :]


def shares(graph: "Graph") -> Float[Tensor, "sender receiver"]:
    """How much of an edge between whole components each edge is.

    Arguments:
        graph: of the nodes.
    """
    sending = torch.cat([_share(part) for part in graph.sending]).repeat_interleave(graph.n_spans)
    receiving = torch.cat([_share(part) for part in graph.receiving]).repeat_interleave(graph.n_spans)
    return sending[:, None] * receiving[None] / graph.n_spans


def _share(part: "Part") -> Tensor:
    return torch.full((len(part),), 1 / len(part) if part.kind in ("neuron", "feature") else 1.0)
