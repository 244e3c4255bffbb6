"""Scores of edges to first order: how far the metric would go, were it a linear function of what each node reads.

The ablation of u -> v changes what v reads by delta_u = carried_u - z_u, and to first order the metric by

    score(u -> v) = sum over positions of delta_u . dm/dx_v

(Syed, Rager and Conmy 2023), so all edges cost one backward pass and one matrix product per part. The methods differ in the runs at which the slope
dm/dx_v is taken, and which senders' edges it is taken for: a `Leg` is one such set of runs.

Shape legend: s senders, n nodes of a part, r receivers, b batch, p position, d d_model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Add, Edit, Model
from sonde.access.edges import Graph, Part, Wiring
from sonde.access.edges.outputs import needed, taken
from sonde.access.edges.spans import span_masks
from sonde.access.engine.costs import free_bytes
from sonde.access.engine.passes import checked
from sonde.access.forward import evaluation, forward, needs_recording
from sonde.access.inputs import Inputs
from sonde.access.linearising import frozen_norms
from sonde.access.writes import Write
from sonde.circuits.carried import Carried
from sonde.circuits.scores.slopes import Norm, Slopes
from sonde.tasks import Ablation, Task

WORKING_SET = 2**30  # bytes that some examples may take on a CPU
PULLED = 2**24  # numbers that are pulled back at once


@dataclass(frozen=True)
class Leg:
    """The runs in which slopes are taken for some senders.

    Arguments:
        parts: of the senders, by their place in `graph.sending`.
        at: how far these senders' outputs are moved towards what is carried, in each run; what is moved, the rest of the model feels.
        weights: of the runs.
        moved: the parts that are moved.
    """

    parts: tuple[int, ...]
    at: tuple[float, ...] = (0.0,)
    weights: tuple[float, ...] = (1.0,)
    moved: tuple[int, ...] = ()


def linear(
    model: Model, graph: Graph, task: Task, ablation: Ablation, legs: Sequence[Leg], norm: Norm, batch_size: int | Literal["auto"],
    rules: Sequence[Edit] = (), accept: Callable[[Slopes, Task], None] | None = None,
) -> Tensor:  # fmt: skip
    """The scores of every edge for every example: edge example.

    Arguments:
        model, graph, task, ablation: what is ablated.
        legs: the runs.
        norm: "live", or "frozen": what norms divide by is a constant.
        batch_size: examples per pass.
        rules: backward rules under which slopes are taken; with frozen norms, all of them.
        accept: called with the first run's slopes of some examples; raises where these would mislead.
    """
    wiring = Wiring(model, graph)
    rules = rules or (tuple(frozen_norms(model)) if norm == "frozen" else ())
    record = needs_recording(model, [Write(rule.site, rule) for rule in rules])
    size = checked(batch_size)
    if size == "auto":
        size = _fitting(model, graph, task, max(len(leg.at) for leg in legs))

    def measure(rows: Sequence[Sequence[int]]) -> Tensor:
        return _outputs(wiring, model.prepare(rows), record).permute(1, 2, 0, 3)

    carried = Carried(task, ablation, measure, size)
    found = []
    for start in range(0, len(task), size):
        examples = range(start, min(start + size, len(task)))
        part = task if len(examples) == len(task) else task.select(examples)
        asked = _Asked(wiring, part, model.prepare(part.clean), carried.of(examples), norm, rules, record)
        with evaluation(model.module):
            found.append(asked.scores(legs, accept))
    return torch.cat(found, 1)


@dataclass(frozen=True, eq=False)
class _Asked:
    """Some examples of a task, and what their ablated edges carry."""

    wiring: Wiring
    task: Task
    inputs: Inputs
    carried: Tensor
    norm: Norm
    rules: Sequence[Edit]
    record: bool

    def scores(self, legs: Sequence[Leg], accept: Callable[[Slopes, Task], None] | None) -> Tensor:
        """Edge example."""
        graph = self.wiring.graph
        found: Tensor | None = None
        deltas: Tensor | None = None
        if any(leg.moved for leg in legs):
            deltas = self._deltas(_outputs(self.wiring, self.inputs, self.record))
        for leg in legs:
            first = min(graph.sending[i].step for i in leg.parts)
            parts = [(part, place) for part, place in zip(graph.receiving, self.wiring.reader_slices, strict=True) if part.step > first]
            runs = [self._slopes(leg, at, [part for part, _ in parts], deltas) for at in leg.at]
            if deltas is None or found is None:
                if accept is not None:
                    accept(runs[0], self.task)
                deltas = self._deltas(runs[0].outputs) if deltas is None else deltas
                found = deltas.new_zeros(self.inputs.batch, len(graph.senders), len(graph.receivers))
            groups = list(_pieces(parts, max(1, PULLED // deltas[0].numel())))
            largest = max(sum(len(piece.nodes) for piece in group) for group in groups)
            memory = deltas.new_empty(min(2, len(runs)), largest, *deltas.shape[1:])
            for group in groups:
                self._add(found, leg, group, deltas, runs, memory)
        assert found is not None
        return found[:, graph.real.to(found.device)].T.cpu()

    def _slopes(self, leg: Leg, at: float, parts: Sequence[Part], deltas: Tensor | None) -> Slopes:
        edits = [] if deltas is None or not at else [Add(site, at * moved) for site, moved in self._moved(leg, deltas)]
        return Slopes.at(self.wiring, self.inputs, self.task.metric, parts, self.norm, [*edits, *self.rules], outputs=deltas is None)

    def _moved(self, leg: Leg, deltas: Tensor) -> Iterator[tuple[str, Tensor]]:
        """What is added where parts add to the stream, for it to be what is carried."""
        for i in leg.moved:
            part = self.wiring.graph.sending[i]
            yield added_at(part), deltas[self.wiring.sender_slices[i]].sum(0)

    def _add(self, found: Tensor, leg: Leg, pieces: "Sequence[_Piece]", deltas: Tensor, runs: Sequence[Slopes], memory: Tensor) -> None:
        """Contract the slopes of nodes that read at the same step with the changes of what was added before them."""
        graph = self.wiring.graph
        spans = span_masks(graph, self.inputs, self.task.spans)
        sending = [i for i in leg.parts if graph.sending[i].step < pieces[0].part.step]
        own = slice(self.wiring.sender_slices[sending[0]].start, self.wiring.sender_slices[sending[-1]].stop)
        slopes = _mean_slopes(pieces, leg, runs, memory[:, : sum(len(piece.nodes) for piece in pieces)])
        first = pieces[0].place
        for k in range(graph.n_spans):
            there = slopes if spans is None else slopes * spans[k][..., None]
            scores = torch.bmm(deltas[own].flatten(2).transpose(0, 1), there.flatten(2).permute(1, 2, 0))
            columns = slice(first * graph.n_spans + k, (first + len(slopes)) * graph.n_spans, graph.n_spans)
            found[:, own.start * graph.n_spans + k : own.stop * graph.n_spans : graph.n_spans, columns] += scores

    def _deltas(self, current: Tensor | None) -> Tensor:
        """Carried less current, in the memory of the latter; nothing where padding is."""
        assert current is not None
        carried = self.carried if self.carried.ndim == 0 else self.carried.permute(2, 0, 1, 3)
        deltas = torch.sub(carried.to(current), current, out=current)
        mask = self.inputs.mask
        return deltas if mask is None or mask.all() else deltas.mul_(mask[..., None])


@dataclass(frozen=True)
class _Piece:
    """Some nodes of a part of the receivers, and the place of the first of them among all."""

    part: Part
    nodes: range
    place: int


def _pieces(parts: Sequence[tuple[Part, slice]], size: int) -> Iterator[list[_Piece]]:
    """The parts in pieces of at most so many nodes; neighbours that read at the same step together, so that what they read is read once."""
    together: list[_Piece] = []
    for part, place in parts:
        for start in range(0, len(part), size):
            piece = _Piece(part, range(start, min(start + size, len(part))), place.start + start)
            if together and (together[0].part.step != part.step or sum(len(one.nodes) for one in (*together, piece)) > size):
                yield together
                together = []
            together.append(piece)
    yield together


def _mean_slopes(pieces: Sequence[_Piece], leg: Leg, runs: Sequence[Slopes], memory: Tensor) -> Tensor:
    """The slope of each node, over the runs of a leg: n b p d.

    Arguments:
        pieces: the nodes.
        leg, runs: over what.
        memory: where they are computed, and those of further runs: fresh memory costs more than the products.
    """
    for i, (weight, run) in enumerate(zip(leg.weights, runs, strict=True)):
        into = memory[min(i, 1)]
        places = into.split([len(piece.nodes) for piece in pieces])
        for piece, place in zip(pieces, places, strict=True):
            run.put(piece.part, piece.nodes, place)
        if i:
            memory[0].add_(into, alpha=weight)
        elif weight != 1:
            into.mul_(weight)
    return memory[0]


def _outputs(wiring: Wiring, inputs: Inputs, record: bool) -> Tensor:
    """What every source adds, by the attention kernel that the slopes are taken with: source b p d."""
    run = forward(wiring.model, inputs, needed(wiring), (), logits=False, record=record)
    with torch.no_grad():
        return taken(wiring, run)


def added_at(part: Part) -> str:
    """Where the nodes of a part add to the stream, all of them together.

    Arguments:
        part: of the senders.
    """
    if part.kind == "embed":
        return "blocks.0.resid_pre"
    return f"blocks.{part.layer}.{'attn' if '.attn.' in part.site else 'mlp'}.out"


def _fitting(model: Model, graph: Graph, task: Task, runs: int) -> int:
    """How many examples go together: their outputs in three runs (as they are, carried, and the difference) are held, and each run's gradients."""
    number = next((p.element_size() for p in model.module.parameters()), 4)
    numbers = 3 * len(graph.sources) + model.n_layers * (20 + 8 * runs)
    one = number * numbers * max(map(len, task.clean)) * model.d_model
    room = free_bytes(model) // 2
    return max(1, (room if model.device.type == "cuda" else min(WORKING_SET, room)) // one)
