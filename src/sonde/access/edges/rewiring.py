"""A model some of whose edges carry something else: its metric under many sets of ablated edges, and under each edge alone.

Everything is the model's own forward, entered at the first block in which a receiver reads something else; what lies below is the unedited run.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access.edges.exact import effects
from sonde.access.edges.graph import Graph
from sonde.access.edges.ledger import Ledger
from sonde.access.edges.outputs import needed, taken
from sonde.access.edges.spans import span_masks
from sonde.access.edges.tails import Tails
from sonde.access.edges.wiring import Wiring
from sonde.access.engine.costs import free_bytes
from sonde.access.engine.passes import checked
from sonde.access.engine.sweep import BOUND, BOUND_HALF
from sonde.access.forward import Metric, differentiable, evaluation, forward, logits_for, measured
from sonde.access.inputs import Given, Inputs
from sonde.results import InputError, SondeError

if TYPE_CHECKING:
    from sonde.access.model import Model

WORKING_SET = 256 * 2**20  # bytes of outputs that are held at once on a CPU


class Rewiring:
    """A model on some inputs, and what its edges carry where they are ablated.

    Arguments:
        model, graph: the nodes.
        inputs: as for `model.run`.
        carried: what every source's ablated edges carry, source batch pos d_model (or one that broadcasts): the outputs on other inputs, their
            mean, zeros.
        metric: from a run to one number per example.
        spans: the positions of the graph's spans in each row; not needed for a graph without.

    Raises:
        InputError: values that do not fit, or a span that the inputs have not.
        SiteUnavailable: the residual stream is not the sum of the outputs.

    >>> import sonde
    >>> from sonde.access.edges import Graph, outputs
    >>> model = sonde.load("specimen:words")
    >>> task, graph = sonde.tasks.load("agreement", model, n=4), Graph.of(model)
    >>> rewiring = Rewiring(model, graph, task.clean, outputs(model, graph, task.corrupt).values, task.metric)
    >>> rewiring.values(torch.stack([graph.real, ~graph.real])).shape
    torch.Size([2, 4])
    """

    def __init__(
        self, model: "Model", graph: Graph, inputs: Given | Inputs, carried: Float[Tensor, "source #batch #pos d_model"], metric: Metric,
        spans: Mapping[str, Sequence[Sequence[int]]] | None = None,
    ):  # fmt: skip
        self.model, self.graph, self.metric = model, graph, metric
        self.wiring = Wiring(model, graph)
        self.inputs = inputs if isinstance(inputs, Inputs) else model.prepare(inputs)
        with evaluation(model.module), torch.no_grad():
            self.tails = Tails(model, self.inputs, metric, needed(self.wiring))
            self.current = taken(self.wiring, self.tails.base)
        if carried.shape[0] != len(graph.sources) or carried.shape[-1] != model.d_model:
            raise InputError(
                f"carried has the shape {tuple(carried.shape)}; give one value for each of the {len(graph.sources)} sources of the graph"
            )
        try:
            self.carried = carried.to(self.current).expand_as(self.current)
        except RuntimeError:
            raise InputError(
                f"carried has the shape {tuple(carried.shape)}, and the outputs on these inputs {tuple(self.current.shape)}: the prompts and those "
                "that the values come from must be as many, and of equal length"
            ) from None
        self.spans = span_masks(graph, self.inputs, spans or {})
        self.tails.begin(self._first_change())

    @property
    def base(self) -> Float[Tensor, " example"]:
        """The metric with every edge intact."""
        return self.tails.value

    @functools.cached_property
    def deltas(self) -> Float[Tensor, "source batch pos d_model"]:
        """Carried less current: what the ablation of an edge adds to what its receiver reads, in the unedited run."""
        return self.carried - self.current

    def values(
        self, kept: Bool[Tensor, "mask sender receiver"] | Float[Tensor, "mask sender receiver"], batch_size: int | Literal["auto"] = "auto"
    ) -> Float[Tensor, "mask example"]:  # fmt: skip
        """The metric with only some edges intact and the others ablated, for several sets of edges.

        Arguments:
            kept: the sets: edges that are intact, or how much of each; what is no edge of the graph does not count.
            batch_size: rows per pass.

        Raises:
            InputError: masks of another shape.
        """
        size = checked(batch_size)
        if kept.shape[1:] != self.graph.real.shape:
            raise InputError(f"kept has the shape {tuple(kept.shape)}; give one array {tuple(self.graph.real.shape)} for each set of edges")
        ablated, read, entries = self._asked(kept)
        found = self.base.repeat(len(kept), 1)
        with evaluation(self.model.module), torch.no_grad():
            order = [m for m in entries.argsort(stable=True).tolist() if read[m].any()]
            per_pass = self.masks_per_pass if size == "auto" else max(1, size // self.inputs.batch)
            for chunk in (order[i : i + per_pass] for i in range(0, len(order), per_pass)):
                found[chunk] = self._together(ablated[chunk], read[chunk], int(entries[chunk].min()))
            if order and self.tails.replays and "edges" not in self.model.verified:
                self._verify(ablated[order[-1:]], read[order[-1:]], found[order[-1]])
        return found

    def effects(self, edges: Bool[Tensor, "sender receiver"] | None = None, show: bool = False) -> Float[Tensor, "edge example"]:
        """What the ablation of each edge alone changes: the metric without it less the metric as it is, exactly, for each example.

        Arguments:
            edges: which; all that are real by default.
            show: show progress.

        Returns:
            One row for each edge, in the order of `(mask & graph.real).nonzero()`.
        """
        wanted = self.graph.real if edges is None else edges & self.graph.real
        with evaluation(self.model.module), torch.no_grad():
            return effects(self, wanted, show)

    def soft(self, kept: Float[Tensor, "sender receiver"]) -> Float[Tensor, " example"]:
        """The metric with edges kept in part, with gradients with respect to how much of each.

        Arguments:
            kept: between 0, ablated, and 1, intact.
        """
        ablated = self.graph.by_span((1 - kept)[None] * self.graph.real.to(kept))
        read = torch.ones(1, len(self.graph.readers), dtype=torch.bool)
        ledger = self._ledger(ablated, read, entry=0, start=0, graded=True)
        return differentiable(self.model, self.inputs, ledger.writes(), self.metric)

    # inside

    def _asked(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How much of each edge is ablated, which readers read something else and matter, and the first block in which they do."""
        kept = kept.to(self.current.device)
        real = self.graph.real.to(kept.device)
        ablated = (1 - kept.to(self.current.dtype)) * real
        live = self.graph.live(kept)[1]
        read = (ablated != 0).any(1) & live
        read = read.unflatten(1, (-1, self.graph.n_spans)).any(-1)
        layers = torch.tensor([part.layer for part in self.graph.receiving for _ in part.names], device=kept.device)
        entries = torch.where(read, layers, self.model.n_layers).amin(1)
        return self.graph.by_span(ablated), read, entries

    def _together(self, ablated: Tensor, read: Tensor, entry: int) -> Tensor:
        ledger = self._ledger(ablated, read, entry if self.tails.replays else 0, self.tails.start if self.tails.replays else 0)
        return self.tails.through(ledger, len(ablated))

    def _ledger(self, ablated: Tensor, read: Tensor, entry: int, start: int, graded: bool = False) -> Ledger:
        known = sum(len(part) for part in self.graph.sending if part.layer < entry)
        carried, spans = self.carried[:, :, start:], None if self.spans is None else self.spans[:, :, start:]
        with torch.set_grad_enabled(graded):
            return Ledger(self.wiring, ablated, read, carried, carried[:known] - self.current[:known, :, start:], spans, entry)

    def _verify(self, ablated: Tensor, read: Tensor, found: Tensor) -> None:
        """The first shortcut of a model is compared with a whole forward."""
        ledger = self._ledger(ablated, read, 0, 0)
        run = forward(self.model, self.inputs, (), ledger.writes(), logits_for(self.metric))
        plain = measured(self.metric, run)
        bound = BOUND.get(self.current.dtype, BOUND_HALF) * max(1.0, float(run.logits.nan_to_num(0, 0, 0).abs().max()))
        if not torch.allclose(found, plain, rtol=0, atol=bound, equal_nan=True):
            raise SondeError(
                f"edges ablated from their block on give {found.tolist()} where a whole forward gives {plain.tolist()}: "
                "please report this model family"
            )
        self.model.verified.add("edges")

    @property
    def masks_per_pass(self) -> int:
        """How many sets of edges go through the model together."""
        one = self.current.numel() * self.current.element_size()
        room = free_bytes(self.model) // 2
        return max(1, (room if self.model.device.type == "cuda" else min(WORKING_SET, room)) // max(1, one))

    def _first_change(self) -> int:
        """The first column at which some source carries something else."""
        changed = (self.carried != self.current).any(-1).any(0).any(0)
        return int(changed.int().argmax()) if changed.any() else 0
