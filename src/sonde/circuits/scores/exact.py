"""The exact effect of every edge or node alone: the metric with it ablated, less the metric as it is.

    score(u -> v) = m(all but u -> v) - m(all)

What other scores estimate. It is not what an edge is worth in a circuit: of two parts that back one another up each has no effect alone.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Edit, Model, Set
from sonde.access.edges import Edge, Graph, Rewiring
from sonde.access.engine.passes import checked
from sonde.access.sites import Site
from sonde.circuits.node_scores import NodeScores
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import rewire
from sonde.circuits.scores.atp import COUNTERFACTUAL, scored_nodes
from sonde.circuits.scores.eap import scored
from sonde.circuits.scores.nodes import PARTS, Nodes, Positions, Values, fitting
from sonde.jobs import shards
from sonde.results import InputError, content_hash
from sonde.tasks import Ablation, Task


def exact_edges(
    model: Model, task: Task, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL,
    edges: Bool[Tensor, "sender receiver"] | Iterable[Edge] | None = None, constants: Float[Tensor, "source #batch #pos d_model"] | None = None,
    batch_size: int | Literal["auto"] = "auto", folder: str | os.PathLike[str] | None = None,
) -> EdgeScores:  # fmt: skip
    """The exact effect of each edge alone.

    A score is the change of the mean metric when the edge is ablated and all others are intact: ablated less intact.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        edges: only these, as an array or by name; the others have no score.
        constants: what is carried where the kind of ablation is "optimal", which has to be learnt.
        batch_size: examples per pass.
        folder: keep what is finished here, so that a long run goes on where it was interrupted.

    Raises:
        InputError: an edge that the graph has not, no edges, an ablation that can't be made. SondeError: the folder holds another run.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=4)
    >>> exact_edges(model, task, edges=[("blocks.0.resid_pre", "logits")]).n_scored
    1
    """
    graph = graph or Graph.of(model)
    wanted = graph.real if edges is None else edges & graph.real if isinstance(edges, Tensor) else graph.mask(edges)
    if not wanted.any():
        raise InputError("no edges to score: name some that the graph has, or leave edges out for all of them")
    rewired = rewire(model, graph, task, ablation, constants=constants, batch_size=batch_size)
    order, into = graph.real.nonzero(), wanted.any(0).nonzero().squeeze(1).tolist()
    number = torch.full(graph.real.shape, -1)
    number[graph.real] = torch.arange(len(order))
    learnt = "none" if constants is None else constants
    key = content_hash([model.hash, task.content, graph.hash, wanted, dict(vars(ablation)), learnt, rewired.n_chunks])
    found = torch.full((len(order), len(task)), torch.nan)
    layers = sorted({int(graph.receiver_layer[r]) for r in into})
    # a piece is what some examples' edges into one block do; the rewiring of these examples is made once
    held: dict[int, tuple[Sequence[int], Rewiring]] = {}
    chunks = enumerate(rewired.chunks())

    def piece(k: int) -> tuple[Sequence[int], Rewiring]:
        while k not in held:
            held.clear()
            place, chunk = next(chunks)
            held[place] = chunk
        return held[k]

    def work(item: tuple[int, int]) -> dict[str, Tensor]:
        rows, rewiring = piece(item[0])
        into_layer = wanted & (graph.receiver_layer == item[1])[None]
        return {"effects": rewiring.effects(into_layer).cpu(), "rows": torch.tensor(rows)}

    items = [(k, layer) for k in range(rewired.n_chunks) for layer in layers]
    for i, result in shards(work, items, None if folder is None else Path(folder), key, "ablating edges"):
        into_layer = wanted & (graph.receiver_layer == items[i][1])[None]
        found[number[into_layer][:, None], result["rows"][None]] = result["effects"].to(found)
    return scored("exact effects", "exact_edges", model, task, graph, ablation, found, more={"edges": int(wanted.sum())})


def exact_nodes(
    model: Model, task: Task, parts: Sequence[str] = PARTS, positions: Positions = "together", ablation: Ablation = COUNTERFACTUAL,
    batch_size: int | Literal["auto"] = "auto",
) -> NodeScores:  # fmt: skip
    """The exact effect of each node alone.

    A score is the change of the mean metric when the node's output is ablated: ablated less intact.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric.
        parts: which sites of every block, as for `atp`.
        positions: nodes at all positions "together", at "each", or at the task's "spans".
        ablation: what takes the place of a node's output.
        batch_size: rows per pass.

    Raises:
        InputError: a part, positions or an ablation that there are not.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> exact_nodes(model, sonde.tasks.load("agreement", model, n=4), ["mlp.out"]).nodes[0]
    'blocks.0.mlp.out'
    """
    checked(batch_size)
    nodes = Nodes.of(model, task, parts, positions)
    found = []
    for part, edits in ablating(model, task, nodes, ablation):
        sweep = model.sweep(part.clean, edits, part.metric, batch_size)
        found.append((sweep.values - sweep.base).cpu())
    return scored_nodes("exact effects", "exact_nodes", model, task, nodes, ablation, torch.cat(found, 1))


def ablating(model: Model, task: Task, nodes: Nodes, ablation: Ablation) -> Iterator[tuple[Task, list[Edit]]]:
    """Some examples of a task with the edit that ablates each node in them, piece by piece.

    Arguments:
        model, task, nodes: what is ablated.
        ablation: what takes the place of a node's output.
    """
    size = fitting(model, task)
    values = Values(model, task, ablation, nodes, size)
    for start in range(0, len(task), size):
        examples = range(start, min(start + size, len(task)))
        part, carried = task.select(examples), values.carried(examples)
        run = model.run(part.clean, read=list(nodes.sites), logits=False)
        masks = nodes.masks(part, max(map(len, part.clean)))
        edits: list[Edit] = []
        for i, name in enumerate(nodes.sites):
            old = run[name]
            new = carried[i].to(old).expand_as(old)
            edits += [_written(name, nodes.axes[i], node, old, new, mask) for node in range(nodes.sizes[i]) for mask in masks]
        yield part, edits


def _written(site: str, axis: str, node: int, old: Tensor, new: Tensor, mask: Tensor) -> Edit:
    """A node's other value at some positions; what lies before it is as it was, so that the rest keeps its value."""
    if axis:
        old, new = old[:, :, node], new[:, :, node]
    where = mask.to(old.device).view(*mask.shape, *[1] * (old.ndim - 2))
    return Set(Site.parse(site).at(**{axis: node}) if axis else Site.parse(site), torch.where(where, new, old))
