"""Attribution patching of nodes (AtP): the slope of the metric at a node, times what its ablation changes there.

    score(n) = sum over its positions and entries of (carried_n - z_n) . dm/dz_n

(Nanda 2023; Kramar, Lieberum, Shah and Nanda 2024). One backward pass for all nodes; `exact_nodes` gives what it estimates, `atp_star` mends two of
its failures, `relp` (in `relp.py`) replaces slopes.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Edit, Model
from sonde.access.engine.passes import checked
from sonde.access.forward import gradients, needs_recording
from sonde.access.sites import Site
from sonde.access.writes import Write
from sonde.circuits.conditions import Conditions
from sonde.circuits.node_scores import NodeScores
from sonde.circuits.scores.nodes import PARTS, Nodes, Positions, Values, fitting
from sonde.results import Recipe
from sonde.tasks import Ablation, Task

COUNTERFACTUAL = Ablation()


def atp(
    model: Model, task: Task, parts: Sequence[str] = PARTS, positions: Positions = "together", ablation: Ablation = COUNTERFACTUAL,
    batch_size: int | Literal["auto"] = "auto",
) -> NodeScores:  # fmt: skip
    """Attribution patching: slopes in the clean run times what the ablation changes, for every node.

    A score estimates the change of the mean metric when the node is ablated: ablated less intact.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric that has a slope.
        parts: which sites of every block: "attn.z", "attn.q", "attn.k", "attn.v", "mlp.out", "mlp.post" (neurons), "resid_pre", an attached basis.
        positions: nodes at all positions "together", at "each", or at the task's "spans".
        ablation: what takes the place of a node's output.
        batch_size: examples per pass.

    Raises:
        InputError: a part, positions or an ablation that there are not.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> atp(model, sonde.tasks.load("agreement", model, n=4)).nodes[1]
    'blocks.0.attn.z[head=1]'
    """
    nodes = Nodes.of(model, task, parts, positions)
    found = sloped(model, task, nodes, ablation, batch_size)
    return scored_nodes("AtP", "atp", model, task, nodes, ablation, found)


def sloped(
    model: Model, task: Task, nodes: Nodes, ablation: Ablation, batch_size: int | Literal["auto"], rules: Sequence[Edit] = ()
) -> Tensor:  # fmt: skip
    """Slopes times changes: node example.

    Arguments:
        model, task, nodes, ablation, batch_size: as for `atp`.
        rules: backward rules under which slopes are taken.
    """
    size = checked(batch_size)
    size = fitting(model, task) if size == "auto" else size
    writes, sites = [Write(rule.site, rule) for rule in rules], [Site.parse(site) for site in nodes.sites]
    values, found = Values(model, task, ablation, nodes, size, needs_recording(model, writes)), []
    for start in range(0, len(task), size):
        examples = range(start, min(start + size, len(task)))
        part, carried = task.select(examples), values.carried(examples)
        inputs = model.prepare(part.clean)
        slopes = gradients(model, inputs, part.metric, sites, writes)
        masks = nodes.masks(part, max(map(len, part.clean)))
        rows = [nodes.summed(i, (carried[i] - slopes.values[site]) * slopes[site], masks) for i, site in enumerate(nodes.sites)]
        found.append(torch.cat(rows).cpu())
    return torch.cat(found, 1)


def scored_nodes(
    method: str, function: str, model: Model, task: Task, nodes: Nodes, ablation: Ablation, per_example: Tensor, signed: bool = True
) -> NodeScores:  # fmt: skip
    """The scores of nodes as a result.

    Arguments:
        method: in words.
        function: its name.
        model, task, nodes, ablation: what was asked.
        per_example: node example.
        signed: whether scores have a sign.
    """
    arguments = {"nodes": nodes.summary, "ablation": vars(ablation)}
    recipe = Recipe.of(f"sonde.circuits.{function}", arguments, model_hash=model.hash, inputs=task.content)
    conditions = Conditions.of(nodes.summary, task, ablation)
    return NodeScores(nodes.names, per_example.mean(1), method, conditions, per_example, signed, recipe=recipe)
