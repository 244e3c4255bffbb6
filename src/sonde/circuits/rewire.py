"""A task with some of its model's edges ablated, whatever the kind of ablation, in pieces that fit into memory.

Means and the examples that are swapped are those of the whole task, however it is divided: no number depends on the size of a piece.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Graph, Model
from sonde.access.edges import Rewiring, outputs
from sonde.access.engine.costs import free_bytes
from sonde.circuits.carried import Carried
from sonde.circuits.conditions import Conditions
from sonde.results import InputError, shown
from sonde.tasks import Ablation, Task

COUNTERFACTUAL = Ablation()
HELD_BYTES = 2**30  # of outputs, of one piece on a CPU: more is no faster

Carrier = Callable[[Sequence[int]], Tensor]
"""What the ablated edges carry in some examples: source batch pos d_model, or what broadcasts to it."""


def rewire(
    model: Model, graph: Graph, task: Task, ablation: Ablation = COUNTERFACTUAL, partners: Task | None = None,
    constants: Float[Tensor, "source #batch #pos d_model"] | None = None, batch_size: int | Literal["auto"] = "auto",
) -> "Rewired":  # fmt: skip
    """A task with edges ablated.

    Arguments:
        model, graph: the nodes.
        task: prompts with their counterfactual partners, and a metric.
        ablation: what the ablated edges carry.
        partners: another task over whose counterfactuals a mean is taken, such as a larger one.
        constants: what they carry where the kind is "optimal".
        batch_size: examples that go through the model together.

    Raises:
        InputError: what `Ablation.of` refuses; partners for another kind than a mean that is the same for all examples; constants missing or out of
            place.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> graph, task = Graph.of(model), sonde.tasks.load("agreement", model, n=6)
    >>> rewired = rewire(model, graph, task, Ablation("mean", over="all"))
    >>> rewired.values(torch.stack([graph.real, ~graph.real])).shape, bool(torch.equal(rewired.base, rewired.values(graph.real[None])[0]))
    (torch.Size([2, 6]), True)
    """
    return Rewired(model, graph, task, ablation, partners, constants, batch_size)


class Rewired:
    """A task with edges ablated, as `rewire` makes it; see there.

    Arguments:
        model, graph, task, ablation, partners, constants, batch_size: as for `rewire`.
    """

    def __init__(
        self, model: Model, graph: Graph, task: Task, ablation: Ablation, partners: Task | None, constants: Tensor | None,
        batch_size: int | Literal["auto"],
    ):  # fmt: skip
        if not len(task):
            raise InputError(f"the task {task.name!r} has no examples")
        if batch_size != "auto" and batch_size < 1:
            raise InputError(f"batch_size={shown(batch_size)}: give a whole number of 1 or more, or 'auto'")
        self.model, self.graph, self.task, self.ablation = model, graph, task, ablation.on(task)
        self.conditions = Conditions.of(graph, task, ablation, partners)
        size = _fitting(model, graph, task) if batch_size == "auto" else batch_size
        self._pieces = [range(len(task))[start : start + size] for start in range(0, len(task), size)]
        self._carried = _carrier(model, graph, task, self.ablation, partners, constants, size)
        self._only: Rewiring | None = None

    def chunks(self) -> Iterator[tuple[Sequence[int], Rewiring]]:
        """The examples' numbers and their rewiring, piece by piece."""
        if self._only is not None:
            yield self._pieces[0], self._only
            return
        for rows in self._pieces:
            part = self.task if len(rows) == len(self.task) else self.task.select(rows)
            spans = {name: [list(row) for row in positions] for name, positions in part.spans.items()}
            rewiring = Rewiring(self.model, self.graph, part.clean, self._carried(rows), part.metric, spans=spans)
            if len(self._pieces) == 1:
                self._only = rewiring
            yield rows, rewiring

    @property
    def n_chunks(self) -> int:
        """In how many pieces the examples go through the model."""
        return len(self._pieces)

    @property
    def base(self) -> Float[Tensor, " example"]:
        """The metric with every edge intact."""
        return torch.cat([rewiring.base for _, rewiring in self.chunks()])

    def values(self, kept: Bool[Tensor, "mask sender receiver"] | Float[Tensor, "mask sender receiver"]) -> Float[Tensor, "mask example"]:
        """The metric with only some edges intact and the others ablated, for several sets of edges.

        Arguments:
            kept: the sets: edges that are intact, or how much of each.
        """
        return torch.cat([rewiring.values(kept) for _, rewiring in self.chunks()], 1)

    def effects(self, edges: Bool[Tensor, "sender receiver"] | None = None, show: bool = False) -> Float[Tensor, "edge example"]:
        """What the ablation of each edge alone changes: the metric without it less the metric as it is, exactly, for each example.

        Arguments:
            edges: which; all that are real by default.
            show: show progress.

        Returns:
            One row for each edge, in the order of `(edges & graph.real).nonzero()`.
        """
        return torch.cat([rewiring.effects(edges, show) for _, rewiring in self.chunks()], 1)


def _fitting(model: Model, graph: Graph, task: Task) -> int:
    """How many examples go together: their outputs in three runs (as they are, carried, and the difference) are held."""
    number = next((p.element_size() for p in model.module.parameters()), 4)
    one = 3 * number * len(graph.sources) * max(map(len, task.clean)) * model.d_model
    room = free_bytes(model) // 2
    return max(1, (room if model.device.type == "cuda" else min(HELD_BYTES, room)) // one)


def _carrier(
    model: Model, graph: Graph, task: Task, ablation: Ablation, partners: Task | None, constants: Tensor | None, size: int
) -> Carrier:  # fmt: skip
    if partners is not None and (ablation.kind != "mean" or ablation.over == "template"):
        raise InputError(f"partners= is another task to take a mean over, and {str(ablation)!r} is not one mean for all examples: leave it out")
    if (constants is None) == (ablation.kind == "optimal"):
        raise InputError(
            "the optimal constants have to be learnt and given as constants=" if constants is None else
            f"constants= are what is carried where the kind is 'optimal', and this is {str(ablation)!r}: leave them out"
        )  # fmt: skip
    if constants is not None:
        return lambda rows: constants
    if partners is not None and ablation.over == "position" and task.length != partners.length:
        raise InputError(
            f"a mean position by position needs one length; {task.name!r} has {task.length or 'several'} tokens and {partners.name!r} "
            f"{partners.length or 'several'}: use over='all'"
        )

    def measure(rows: Sequence[Sequence[int]]) -> Tensor:
        return outputs(model, graph, rows).values.permute(1, 2, 0, 3)

    carried = Carried(task, ablation, measure, size, partners)
    if ablation.kind == "zero":
        return lambda rows: torch.zeros(len(graph.sources), 1, 1, model.d_model, device=model.device)
    return lambda rows: carried.of(rows).permute(2, 0, 1, 3)
