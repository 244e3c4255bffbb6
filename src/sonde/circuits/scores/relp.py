"""Relevance patching (RelP): attribution patching with the coefficients of layer-wise relevance propagation for slopes.

    norms divide by a constant        attention's pattern is a constant
    an activation f(x) is (f(x) / x) x with a constant ratio        each factor of a gated product gets half

(Jafari, Eberle, Khakzar and Nanda 2025). Through a model of these rules the metric is linear, so saturation, which bends slopes, does not: but what
moves attention is not seen, and the scores of queries and keys are zero.
"""

from collections.abc import Sequence
from typing import Literal

from sonde.access import Model
from sonde.access.edges import Graph
from sonde.access.linearising import linearising
from sonde.circuits.node_scores import NodeScores
from sonde.circuits.results import EdgeScores
from sonde.circuits.scores.atp import COUNTERFACTUAL, scored_nodes, sloped
from sonde.circuits.scores.eap import scored
from sonde.circuits.scores.linear import Leg, linear
from sonde.circuits.scores.nodes import PARTS, Nodes, Positions
from sonde.tasks import Ablation, Task


def relp(
    model: Model, task: Task, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, batch_size: int | Literal["auto"] = "auto"
) -> EdgeScores:  # fmt: skip
    """Relevance patching of edges.

    A score estimates the change of the mean metric when the edge is ablated: ablated less intact. Edges into queries and keys have none.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric that has a slope.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        batch_size: examples per pass.

    Raises:
        InputError: a layer for which there is no rule. SiteUnavailable: attention that can't be recorded, or as for `eap`.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> relp(model, sonde.tasks.load("agreement", model, n=4)).norm
    'frozen'
    """
    graph = graph or Graph.of(model)
    legs = [Leg(tuple(range(len(graph.sending))))]
    found = linear(model, graph, task, ablation, legs, "frozen", batch_size, rules=tuple(linearising(model, "frozen")))
    return scored("RelP", "relp", model, task, graph, ablation, found, "frozen")


def relp_nodes(
    model: Model, task: Task, parts: Sequence[str] = PARTS, positions: Positions = "together", ablation: Ablation = COUNTERFACTUAL,
    batch_size: int | Literal["auto"] = "auto",
) -> NodeScores:  # fmt: skip
    """Relevance patching of nodes.

    A score estimates the change of the mean metric when the node is ablated: ablated less intact. Queries and keys have none.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric that has a slope.
        parts: which sites of every block, as for `atp`.
        positions: nodes at all positions "together", at "each", or at the task's "spans".
        ablation: what takes the place of a node's output.
        batch_size: examples per pass.

    Raises:
        InputError: as for `atp`; a layer for which there is no rule. SiteUnavailable: attention that can't be recorded.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> relp_nodes(model, sonde.tasks.load("agreement", model, n=4)).method
    'RelP'
    """
    nodes = Nodes.of(model, task, parts, positions)
    found = sloped(model, task, nodes, ablation, batch_size, tuple(linearising(model, "frozen")))
    return scored_nodes("RelP", "relp_nodes", model, task, nodes, ablation, found)
