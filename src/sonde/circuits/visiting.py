"""The order in which edges are put to the test: it decides which circuit a greedy search finds."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access.edges import Graph
from sonde.results import InputError, shown

Order = Literal["topological", "random"] | Sequence[int] | Int[Tensor, " edge"]


def visiting(graph: Graph, order: Order = "topological", seed: int = 0) -> Int[Tensor, "edge 2"]:
    """Every edge of a graph once, as (sender, receiver), in the order in which they are visited.

    Arguments:
        graph: the graph.
        order: "topological": receivers from the logits down, the last node of a block first, and into each of them the latest sender first;
            "random": all edges shuffled; or a permutation of their numbers, as they stand in `graph.real.nonzero()`.
        seed: of the shuffle.

    Raises:
        InputError: another word, or numbers that are no permutation.

    >>> import sonde
    >>> graph = Graph.of(sonde.load("specimen:words"))
    >>> sender, receiver = visiting(graph)[0].tolist()
    >>> graph.senders[sender], graph.receivers[receiver]
    ('blocks.3.mlp.out', 'logits')
    """
    edges = graph.real.nonzero()
    if isinstance(order, str):
        if order == "topological":
            return graph.real.T.nonzero().flip(0, 1)  # nodes are numbered in the order of the computation
        if order == "random":
            return edges[torch.randperm(len(edges), generator=torch.Generator().manual_seed(seed))]
        raise InputError(f"order={shown(order)}: use 'topological', 'random', or a permutation of the {len(edges):,} edges")
    numbers = torch.as_tensor(order)
    if not torch.equal(numbers.sort().values, torch.arange(len(edges))):
        raise InputError(f"order={shown(order)} is no permutation: give each number from 0 to {len(edges) - 1} once")
    return edges[numbers]
