"""Where the spans of a graph are in a batch."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access.edges.graph import REST, Graph
from sonde.access.inputs import Inputs
from sonde.results import InputError


def span_masks(graph: Graph, inputs: Inputs, given: Mapping[str, Sequence[Sequence[int]]]) -> Bool[Tensor, "span batch pos"] | None:
    """The positions of each span; each position is in one of them. `None` for a graph without spans.

    Arguments:
        graph: the nodes.
        inputs: the batch.
        given: for each name the positions in each row.

    Raises:
        InputError: a span that the inputs have not, or spans that overlap.
    """
    if not graph.spans:
        return None
    rows, ids = inputs.rows, inputs.ids
    assert rows is not None and ids is not None
    found = torch.zeros(graph.n_spans, *ids.shape, dtype=torch.bool, device=ids.device)
    for i, name in enumerate(graph.spans):
        if name != REST and (name not in given or len(given[name]) != inputs.batch):
            raise InputError(f"the graph has a span {name!r}, and the inputs name {', '.join(given) or 'none'} (one list of positions for each row)")
        for row, positions in enumerate(given.get(name, ())):
            found[i, row, [rows.starts[row] + position % rows.lengths[row] for position in positions]] = True
    if (found.sum(0) > 1).any():
        raise InputError(f"the spans {', '.join(graph.spans)} overlap: a position belongs to one of them")
    if REST in graph.spans:
        found[graph.spans.index(REST)] |= ~found.any(0)
    return found
