"""Information flow routes: how much of what a node reads is what a sender has added, whatever comes of it (Ferrando and Voita 2024).

    near(u -> v) = max(0, |x_v| - |x_v - z_u|)          share(u -> v) = near(u -> v) / sum over u of near(u -> v)

at each position, with the sum of absolute entries for |.| and x_v the sum of what was added before v. One forward, no partner and no metric: the
shares tell where the stream comes from, and nothing about an answer. What nobody reads has its share as well.
"""

from typing import Literal

import torch
from torch import Tensor

from sonde.access import Model
from sonde.access.edges import Graph, outputs
from sonde.access.edges.spans import span_masks
from sonde.access.engine.passes import checked
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import COUNTERFACTUAL
from sonde.circuits.scores.eap import scored
from sonde.circuits.scores.nodes import fitting
from sonde.tasks import Task

SHARE = "share of what is read"


def information_flow(model: Model, task: Task, graph: Graph | None = None, batch_size: int | Literal["auto"] = "auto") -> EdgeScores:
    """The share of each sender in what a receiver reads, the mean over positions and examples.

    The shares into a receiver add up to 1. A query, a key and a value of one block read the same stream, so their shares are the same.

    Arguments:
        model: the model.
        task: prompts; their partners and the metric are not looked at.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        batch_size: examples per pass.

    Returns:
        Scores that are sizes without a sign.

    Raises:
        InputError: a span of the graph that the task has not. SiteUnavailable: a model whose residual stream is not the sum of what its parts add.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = information_flow(model, sonde.tasks.load("agreement", model, n=4))
    >>> found.unit, round(float(found.values[:, -1].sum()), 4)
    ('share of what is read', 1.0)
    """
    graph = graph or Graph.of(model)
    size = checked(batch_size)
    size = fitting(model, task) if size == "auto" else size
    found = [_shares(model, graph, task.select(range(start, min(start + size, len(task))))) for start in range(0, len(task), size)]
    return scored("information flow", "information_flow", model, task, graph, COUNTERFACTUAL, torch.cat(found, 1), meaning=SHARE)


@torch.no_grad()
def _shares(model: Model, graph: Graph, task: Task) -> Tensor:
    """The shares in some examples: edge example."""
    inputs = model.prepare(task.clean)
    added = outputs(model, graph, inputs).values
    rows = inputs.rows
    assert rows is not None
    real = torch.zeros(added.shape[1:3], dtype=torch.bool, device=added.device)
    for row, (start, last) in enumerate(zip(rows.starts, rows.last, strict=True)):
        real[row, start : last + 1] = True
    spans = span_masks(graph, inputs, {name: [list(row) for row in positions] for name, positions in task.spans.items()})
    places = (real[None] if spans is None else spans & real).to(added)
    places = places / places.sum(-1, keepdim=True).clamp(min=1)  # the mean over the positions of each span
    sends, reads = graph.sender_step[:: graph.n_spans], graph.receiver_step[:: graph.n_spans]
    wide = added.new_zeros(len(sends), graph.n_spans, len(reads), graph.n_spans, len(task))
    for step in reads.unique().tolist():
        before, here = sends < step, (reads == step).nonzero()[:, 0].tolist()
        terms = added[before]
        stream = terms.sum(0)
        near = (stream.abs().sum(-1) - (stream - terms).abs().sum(-1)).clamp(min=0)
        share = torch.einsum("ubp,sbp->usb", near / near.sum(0).clamp(min=torch.finfo(near.dtype).tiny), places)
        for span in range(graph.n_spans):
            wide[before.nonzero(), span, torch.tensor(here)[None], span] = share[:, span, None].expand(-1, len(here), -1)
    return wide.flatten(2, 3).flatten(0, 1)[graph.real].cpu()
