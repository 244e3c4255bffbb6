"""Edge patching: what does one part of the model tell another, straight through the residual stream?

A receiver v reads the sum of what the senders before it added. On an ablated edge u -> v it reads something else in u's place, and u's other
readers are left as they are:

    x_v = sum of z_u  +  sum over ablated u -> v of (ablated z_u - z_u),      before the norm, which is live

Nothing is frozen: everything behind v answers. That is the direct path of path patching with heads and MLPs frozen, for single edges and for sets of
them, without a forward for each (`sonde.access.edges`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.edges import Edge, Graph, Rewiring, outputs
from sonde.patching.activation import COUNTERFACTUAL
from sonde.patching.results import PatchResult, short
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import bars
from sonde.tasks import Ablation, Task
from sonde.tasks.metrics import unit_of

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class EdgeResult(Result):
    """A metric with some edges ablated, one entry at a time.

    Arguments:
        patches: the metric under each entry, beside that of both unpatched runs.
        edges: the edges of each entry, as (sender, receiver).
        granularity: of the graph that they belong to, in words.
    """

    patches: PatchResult
    edges: list[list[tuple[str, str]]]
    granularity: str

    @property
    def change(self) -> Float[Tensor, " entry"]:
        """The metric without the edges less the metric as it is, the mean over examples: negative where they carry the answer."""
        return self.patches.change

    @property
    def effect(self) -> Float[Tensor, " entry"]:
        """The share of the gap between both runs that the edges take away: a ratio of means over examples."""
        return self.patches.effect

    def to_frame(self) -> "DataFrame":
        """One row per entry and example."""
        return self.patches.to_frame().rename({"site": "edges"})

    def drawing(self, most: int = 24) -> Drawing:
        """The entries that matter most, as ranked bars.

        Arguments:
            most: at most so many.
        """
        change, n = self.change, len(self.patches.clean)
        order = change.abs().argsort(descending=True)[:most].tolist()
        return bars(
            "Which edges carry the answer?",
            f"{self.patches.unit}, ablated minus intact",
            [" and ".join(f"{short(u)} → {short(v)}" for u, v in self.edges[i]) for i in order],
            change[order],
            note=f"{len(order)} of {len(self.edges)} entries; {self.patches.written}; {self.granularity}; "
            + ("one prompt." if n == 1 else f"mean over {n} prompts."),
        )


def edge_patching(
    model: Model, task: Task, edges: Sequence[Edge | Sequence[Edge]] | None = None, ablation: Ablation = COUNTERFACTUAL, graph: Graph | None = None,
    progress: bool = False,
) -> EdgeResult:  # fmt: skip
    """The metric of a task with edges ablated: each alone, or several together.

    Arguments:
        model: a language model whose residual stream is the sum of what its parts add.
        task: prompts with their counterfactuals, token by token of the same length, and a metric.
        edges: one entry per ablation: an edge, as (sender, receiver) by the names of the graph, or several that are ablated together; by default each
            edge of the graph alone.
        ablation: what ablated edges carry; by default what they carry in the example's own counterfactual.
        graph: at which granularity, by default heads with their queries, keys and values, and whole MLPs.
        progress: whether a bar is shown.

    Returns:
        The metric of each entry and of both runs, and the effects.

    Raises:
        InputError: an edge that the graph has not, an entry without edges. SiteUnavailable: a model without such a graph.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("ioi", model, n=4)
    >>> straight = ("blocks.3.mlp.out", "logits")
    >>> edge_patching(model, task, [straight, [straight, ("blocks.2.mlp.out", "logits")]]).change.shape
    torch.Size([2])
    """
    graph = graph or Graph.of(model)
    ablation = ablation.on(task)
    entries: list[list[Edge]] = [[edge] for edge in graph.edges()] if edges is None else [_several(one) for one in edges]
    if not entries or not all(entries):
        raise InputError("nothing to ablate: give at least one edge, and at least one in every entry")
    partners = outputs(model, graph, model.prepare(task.corrupt, spans=task.spans))
    carried = torch.stack([ablation.of(value, partners.run.mask) for value in partners.values])
    rewiring = Rewiring(model, graph, model.prepare(task.clean, spans=task.spans), carried, task.metric, task.spans)
    recipe = Recipe.of(
        "sonde.patching.edge_patching", {"edges": "all" if edges is None else entries, "ablation": vars(ablation), "granularity": graph.summary},
        model_hash=model.hash, inputs=task.content,
    )  # fmt: skip
    patches = PatchResult(
        direction="noising", sites=[" + ".join(f"{u} -> {v}" for u, v in entry) for entry in entries],
        values=_values(rewiring, entries, progress).cpu(), clean=rewiring.base.cpu(), corrupt=task.metric(model.run(task.corrupt)).detach().cpu(),
        unit=unit_of(task.metric), tokens=partners.run.tokens[0] if partners.run.tokens else [], ablation=ablation, n_partners=len(task),
        recipe=recipe,
    )  # fmt: skip
    return EdgeResult(patches, entries, graph.summary, recipe=recipe)


def _values(rewiring: Rewiring, entries: list[list[Edge]], progress: bool) -> Float[Tensor, "entry example"]:
    """The metric of each entry: single edges by what they share, sets of them by a forward for each."""
    graph = rewiring.graph
    values = rewiring.base.repeat(len(entries), 1)
    single = [i for i, entry in enumerate(entries) if len(entry) == 1]
    if single:
        mask = graph.mask([entries[i][0] for i in single])
        row = {place: k for k, place in enumerate(map(tuple, mask.nonzero().tolist()))}
        effects = rewiring.effects(mask, show=progress)
        places = [tuple(graph.mask(entries[i]).nonzero()[0].tolist()) for i in single]
        values[single] += effects[[row[place] for place in places]]
    several = [i for i, entry in enumerate(entries) if len(entry) > 1]
    size = max(1, rewiring.masks_per_pass)
    for chunk in (several[k : k + size] for k in range(0, len(several), size)):
        values[chunk] = rewiring.values(torch.stack([graph.real & ~graph.mask(entries[i]) for i in chunk]))
    return values


def _several(entry: Edge | Sequence[Edge]) -> list[Edge]:
    """An entry as a list of edges."""
    if _is_edge(entry):
        return [entry]
    edges: list[Any] = list(entry)
    if wrong := [edge for edge in edges if not _is_edge(edge)]:
        raise InputError(f"{shown(wrong[0])} is no edge: give (sender, receiver), two names such as ('blocks.3.mlp.out', 'logits')")
    return edges


def _is_edge(entry: Edge | Sequence[Edge]) -> TypeGuard[Edge]:
    return isinstance(entry, tuple | list) and len(entry) == 2 and all(isinstance(name, str) for name in entry)
