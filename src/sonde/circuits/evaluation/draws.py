"""Random circuits: what edges do that nobody searched for.

Two kinds, which differ much. Random edges, each drawn by itself, hardly ever connect the embedding with the logits until they are a good part of all:
beside them every circuit looks good. Connected circuits, made of random paths from the embedding to the logits (Shi et al. 2024), have as many edges
that can matter as the circuit that they are compared with; they are the control here.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.access import Graph
from sonde.circuits.nodes import reached
from sonde.results import InputError, shown

Draw = Literal["connected", "edges"]
TRIES = 50  # draws of a connected circuit before it is given up
ROUNDS, MOST_PATHS = 6, 1000  # of drawing paths, before edges between nodes on them are drawn as well; and paths in each


def random_circuits(graph: Graph, size: int, n: int, seed: int = 0, kind: Draw = "connected") -> Bool[Tensor, "draw sender receiver"]:
    """Random circuits of a size.

    Arguments:
        graph: of all edges.
        size: edges of each.
        n: how many circuits.
        seed: of the draws.
        kind: "connected": random paths from the embedding to the logits, filled up with edges between the nodes on them; "edges": edges drawn by
            themselves.

    Raises:
        InputError: a size that the graph has not, fewer circuits than none, or another kind.

    >>> import sonde
    >>> graph = Graph.of(sonde.load("specimen:words"))
    >>> random_circuits(graph, size=40, n=3).sum((1, 2)).tolist()
    [40, 40, 40]
    """
    if kind not in get_args(Draw):
        raise InputError(f"kind={shown(kind)}: random circuits are of {' or '.join(map(repr, get_args(Draw)))}")
    if not 0 <= size <= graph.n_edges:
        raise InputError(f"size={size}: the graph has {graph.n_edges:,} edges")
    if n < 0:
        raise InputError(f"n={shown(n)}: give how many random circuits are drawn, 0 for none")
    generator = torch.Generator().manual_seed(seed)
    drawn = [_connected(graph, size, generator) if kind == "connected" else _chosen(graph.real, size, generator) for _ in range(n)]
    return torch.stack(drawn) if drawn else torch.zeros(0, *graph.real.shape, dtype=torch.bool)


def random_paths(graph: Graph, n: int, generator: torch.Generator) -> Int[Tensor, "edge 3"]:
    """Random paths from an embedding to the logits: at each node any later receiver, then any of the parts that it is an input of.

    Arguments:
        graph: of all edges.
        n: how many paths.
        generator: of the draws.

    Returns:
        The edges of all paths, one path after the other: (path, sender, receiver).
    """
    starts = (graph.sender_layer < 0).nonzero()[:, 0]
    here = starts[torch.randint(len(starts), (n,), generator=generator)]
    ends = graph.receiver_layer == graph.receiver_layer.max()
    steps, walking = [], torch.arange(n)
    while len(walking):
        readers = torch.multinomial(graph.real[here].float(), 1, generator=generator)[:, 0]
        steps.append(torch.stack([walking, here, readers], 1))
        on = ~ends[readers]
        walking, readers = walking[on], readers[on]
        here = torch.multinomial(graph.feeds[readers].float(), 1, generator=generator)[:, 0] if len(readers) else readers
    edges = torch.cat(steps)
    return edges[edges[:, 0].argsort(stable=True)]


def _connected(graph: Graph, size: int, generator: torch.Generator) -> Tensor:
    for _ in range(TRIES):  # the first paths may leave room that no other fills, such as one edge beside the direct one
        mask = _filled(graph, size, generator)
        if int(mask.sum()) == size:
            return mask
    raise InputError(f"no connected circuit of {size} edges was found in {TRIES} draws: ask for another size")


def _filled(graph: Graph, size: int, generator: torch.Generator) -> Tensor:
    """Random paths, and edges between their nodes, of as many edges as wanted, or fewer where no more fit."""
    mask = torch.zeros_like(graph.real)
    for round_ in range(4 * ROUNDS):
        missing = size - int(mask.sum())
        if not missing:
            break
        mask.view(-1)[_fitting(mask, random_paths(graph, min(MOST_PATHS, max(8, missing // 2)), generator), missing)] = True
        if round_ >= ROUNDS:
            open_ = graph.real & ~mask & reached(graph, mask)[:, None] & graph.live(mask)[1][None]
            mask |= _chosen(open_, size - int(mask.sum()), generator)
    return mask


def _fitting(mask: Tensor, paths: Tensor, missing: int) -> Int[Tensor, " edge"]:
    """The new edges of the first paths, as many as fit."""
    paths = paths[~mask[paths[:, 1], paths[:, 2]]]
    paths = paths[paths[:, 0].bincount()[paths[:, 0]] <= missing]
    places, owners = paths[:, 1] * mask.shape[1] + paths[:, 2], paths[:, 0]
    # an edge of several paths belongs to the first of them
    found, which = places.unique(return_inverse=True)
    owner = torch.full_like(found, MOST_PATHS).scatter_reduce(0, which, owners, "amin")
    return found[(owner.bincount().cumsum(0) <= missing)[owner]]


def _chosen(among: Tensor, k: int, generator: torch.Generator) -> Tensor:
    places = among.flatten().nonzero()[:, 0]
    mask = torch.zeros(among.numel(), dtype=torch.bool)
    mask[places[torch.randperm(len(places), generator=generator)[:k]]] = True
    return mask.view_as(among)
