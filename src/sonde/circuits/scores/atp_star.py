"""AtP*: attribution patching with two of its failures mended, and a bound on what is still missed.

A saturated softmax has no slope, so a query or key that decides where a head looks goes unseen. Therefore attention is computed again, exactly, with
the other query, or with the other key at the node's positions, and only what follows the pattern A is taken to first order (the QK fix):

    score(q or k) = sum over queries and keys of (A' - A) . dm/dA

And effects that cancel, such as a direct one and one through a later layer, hide each other. Therefore the slope is taken again for every layer l
with what flows back through the parts of that layer dropped, and the sizes are averaged (GradDrop):

    score(n) = 1 / (L - 1) sum over l other than n's of |score without layer l (n)|

(Kramar, Lieberum, Shah and Nanda 2024.) The scores are sizes without a sign: means over the examples of such averages.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Detach, Edit, Gradients, Model, Set
from sonde.access.engine.passes import checked
from sonde.access.forward import forward, gradients
from sonde.access.inputs import Inputs
from sonde.access.sites import Site
from sonde.access.writes import Write
from sonde.circuits.node_scores import NodeScores
from sonde.circuits.scores.atp import COUNTERFACTUAL, scored_nodes
from sonde.circuits.scores.nodes import Nodes, Positions, Values, fitting
from sonde.tasks import Ablation, Task

PARTS_STAR = ("attn.q", "attn.k", "attn.v", "mlp.out")


def atp_star(
    model: Model, task: Task, parts: Sequence[str] = PARTS_STAR, positions: Positions = "together", ablation: Ablation = COUNTERFACTUAL,
    drop: bool = True, batch_size: int | Literal["auto"] = "auto",
) -> NodeScores:  # fmt: skip
    """Attribution patching with attention recomputed for queries and keys, and slopes with each layer dropped in turn.

    With `drop` a score is a size, without a sign, of the change of the metric when the node is ablated; without, it estimates that change: ablated
    less intact.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric that has a slope.
        parts: which sites of every block, as for `atp`; queries and keys are those before any rotation.
        positions: nodes at all positions "together", at "each", or at the task's "spans".
        ablation: what takes the place of a node's output.
        drop: take slopes with each layer dropped; a model of one layer has no other.
        batch_size: examples per pass.

    Raises:
        InputError: as for `atp`. SiteUnavailable: attention that can't be recorded.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> atp_star(model, sonde.tasks.load("agreement", model, n=4)).signed
    False
    """
    nodes = Nodes.of(model, task, parts, positions)
    dropped = range(model.n_layers) if drop and model.n_layers > 1 else ()
    size = checked(batch_size)
    size = fitting(model, task) if size == "auto" else size
    values, found = Values(model, task, ablation, nodes, size, record=True), []
    for start in range(0, len(task), size):
        examples = range(start, min(start + size, len(task)))
        found.append(_Star(model, task.select(examples), nodes, values.carried(examples)).scores(dropped).cpu())
    method = "AtP*" if dropped else "AtP with exact attention"
    return scored_nodes(method, "atp_star", model, task, nodes, ablation, torch.cat(found, 1), signed=not dropped)


class _Star:
    """Some examples, with what is put in the place of their nodes."""

    def __init__(self, model: Model, task: Task, nodes: Nodes, carried: Sequence[Tensor]):
        self.model, self.task, self.nodes, self.carried = model, task, nodes, carried
        self.inputs: Inputs = model.prepare(task.clean)
        self.masks = nodes.masks(task, max(map(len, task.clean)))
        self.patterns: dict[int, Tensor] = {}

    def scores(self, dropped: Sequence[int]) -> Tensor:
        """Node example: sizes averaged over dropped layers, or as they are where none is."""
        if not dropped:
            return self._by(self._slopes(()))
        layers, total = torch.tensor(self.nodes.layers), torch.tensor(0.0)
        for layer in dropped:
            held = [Detach(f"blocks.{layer}.{site}") for site in ("attn.out", "mlp.out") if f"blocks.{layer}.{site}" in self.model.architecture.sites]
            sizes = self._by(self._slopes(held)).abs()
            total = total.to(sizes) + sizes * (layers != layer).to(sizes)[:, None]
        return total / (len(dropped) - 1)

    def _slopes(self, edits: Sequence[Edit]) -> Gradients:
        sites = [Site.parse(site) for site in self.nodes.sites] + [
            Site(f"blocks.{layer}.attn.pattern") for layer in sorted({_layer(site) for site in self.nodes.sites if _compares(site)})
        ]
        return gradients(self.model, self.inputs, self.task.metric, sites, [Write(edit.site, edit) for edit in edits])

    def _by(self, slopes: Gradients) -> Tensor:
        rows = []
        for i, site in enumerate(self.nodes.sites):
            if _compares(site):
                pattern = f"blocks.{_layer(site)}.attn.pattern"
                rows.append(self._compared(i, slopes.values[pattern], slopes[pattern]))
            else:
                products = (self.carried[i] - slopes.values[site]) * slopes[site]
                rows.append(self.nodes.summed(i, products, self.masks))
        return torch.cat(rows)

    def _compared(self, i: int, pattern: Tensor, slope: Tensor) -> Tensor:
        """Of queries or keys: how attention changes, exactly, times the slope at it: (node place) example.

        Arguments:
            i: the number of the site.
            pattern, slope: example head query key.
        """
        keys = self.nodes.sites[i].endswith("attn.k")
        scores, others = self._scores(i)
        found = []
        for mask in self.masks:
            here = mask.to(scores.device)[:, None, None, :] if keys else mask.to(scores.device)[:, None, :, None]
            moved = torch.where(here, others, scores).softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(pattern)
            # only what the other query or key changes: a pattern that stays is not touched by the rounding of a softmax
            change = torch.where((here & (others != scores)).any(-1, keepdim=True), moved - pattern, 0)
            found.append((change * slope).sum((2, 3)))
        by_head = torch.stack(found, -1)  # example head place
        shared = by_head.shape[1] // self.nodes.sizes[i]
        return by_head.unflatten(1, (-1, shared)).sum(2).permute(1, 2, 0).flatten(0, 1)

    def _scores(self, i: int) -> tuple[Tensor, Tensor]:
        """What the softmax is taken of as it is, and with the other queries or keys of all heads of the layer: example head query key."""
        site = self.nodes.sites[i]
        compared = f"blocks.{_layer(site)}.attn.scores"
        if i not in self.patterns:
            plain = self._read(compared, ())
            own = self._read(site, ())
            other = self._read(compared, [Set(site, self.carried[i].to(own).expand_as(own))])
            self.patterns[i] = torch.stack([plain, other])
        return self.patterns[i][0], self.patterns[i][1]

    def _read(self, site: str, edits: Sequence[Edit]) -> Tensor:
        run = forward(self.model, self.inputs, [Site(site)], [Write(edit.site, edit) for edit in edits], logits=False, record=True)
        return run[site]


def _layer(site: str) -> int:
    return int(site.split(".")[1])


def _compares(site: str) -> bool:
    """Whether a site is compared in attention."""
    return site.endswith((".attn.q", ".attn.k"))
