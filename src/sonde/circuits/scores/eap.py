"""Edge attribution patching (EAP), and what it integrates: scores of all edges to first order.

    eap                  slopes in the clean run (Syed, Rager and Conmy 2023)
    eap_ig               their mean over runs whose embeddings lie between clean and counterfactual (Hanna, Pezzelle and Belinkov 2024)
    eap_ig_activations   their mean while the outputs of one layer move from what they are to what is carried, layer by layer
    clean_corrupted      their mean over the clean run and that of the counterfactuals

Slopes on the way are taken at midpoints, at (j + 1/2) / n of the way: the sum over the embedding's edges then reaches the metric's difference in few
steps. A saturated part has no slope in the clean run, and a divergence from the clean prediction none at all: there `eap` gives zero, `eap_ig` does
not. None of them is the exact effect of an edge, which `exact_edges` gives.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from sonde.access import Model
from sonde.access.edges import Graph
from sonde.circuits.conditions import Conditions, name_of
from sonde.circuits.results import EdgeScores
from sonde.circuits.scores.linear import Leg, added_at, linear
from sonde.circuits.scores.slopes import Norm, Slopes
from sonde.results import InputError, Recipe, shown
from sonde.tasks import KL, Ablation, Task, unit_of

COUNTERFACTUAL = Ablation()
KEPT = 2**28  # bytes of scores of single examples that are kept
FLAT = 1e-6  # nats: a divergence below that is zero to rounding, and so is its slope


def eap(
    model: Model, task: Task, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, norm: Norm = "live",
    batch_size: int | Literal["auto"] = "auto",
) -> EdgeScores:  # fmt: skip
    """Edge attribution patching: slopes in the clean run, times what the ablation changes.

    A score estimates the change of the mean metric when the edge is ablated: ablated less intact.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric that has a slope.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        norm: "live", or "frozen": what norms divide by is a constant, where edges are read and on all of the way back.
        batch_size: examples per pass.

    Returns:
        The scores, and those of each example.

    Raises:
        InputError: a metric without a slope in the clean run, such as the divergence from that run; an ablation that can't be made.
        SiteUnavailable: a model whose residual stream is not the sum of what its parts add.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> scores = eap(model, sonde.tasks.load("agreement", model, n=4))
    >>> scores.method, scores.unit, scores.n_scored
    ('EAP', 'probability', 479)
    """
    graph = graph or Graph.of(model)
    found = linear(model, graph, task, ablation, [Leg(_all(graph))], norm, batch_size, accept=_refuse_flat)
    return scored("EAP", "eap", model, task, graph, ablation, found, norm)


def eap_ig(
    model: Model, task: Task, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, steps: int = 5, norm: Norm = "live",
    batch_size: int | Literal["auto"] = "auto",
) -> EdgeScores:  # fmt: skip
    """Edge attribution patching with integrated gradients over the inputs: slopes averaged between clean and counterfactual embeddings.

    A score estimates the change of the mean metric when the edge is ablated: ablated less intact. Those of the embedding's edges sum to the metric of
    the counterfactuals less that of the clean prompts, as steps grow; nothing of the kind holds for the others.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        ablation: "counterfactual" or "resample": the embeddings move to those of a prompt.
        steps: runs on the way.
        norm: "live", or "frozen": what norms divide by is a constant in every run.
        batch_size: examples per pass.

    Returns:
        The scores, and those of each example.

    Raises:
        InputError: an ablation that is no run of a prompt, or no steps. SiteUnavailable: as for `eap`.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> eap_ig(model, sonde.tasks.load("agreement", model, n=4), steps=2).steps
    2
    """
    graph = graph or Graph.of(model)
    _refuse_unlike(ablation, "EAP-IG over inputs")
    leg = Leg(_all(graph), _midpoints(steps), (1 / steps,) * steps, _embedding(graph))
    found = linear(model, graph, task, ablation, [leg], norm, batch_size)
    return scored("EAP-IG over inputs", "eap_ig", model, task, graph, ablation, found, norm, steps)


def eap_ig_activations(
    model: Model, task: Task, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, steps: int = 5, norm: Norm = "live",
    batch_size: int | Literal["auto"] = "auto",
) -> EdgeScores:  # fmt: skip
    """Edge attribution patching with integrated gradients over activations: slopes averaged while one layer's outputs move to what is carried.

    A score estimates the change of the mean metric when the edge is ablated: ablated less intact. Slopes for the senders of one attention layer, one
    layer of MLPs or the embedding are taken in runs of their own, in which all of them are moved together: so many times `steps` runs.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        steps: runs on the way, for each layer.
        norm: "live", or "frozen": what norms divide by is a constant in every run.
        batch_size: examples per pass.

    Returns:
        The scores, and those of each example.

    Raises:
        InputError: no steps, or an ablation that can't be made. SiteUnavailable: as for `eap`.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> eap_ig_activations(model, sonde.tasks.load("agreement", model, n=4), steps=1).method
    'EAP-IG over activations'
    """
    graph = graph or Graph.of(model)
    together: dict[str, list[int]] = {}
    for i, part in enumerate(graph.sending):
        together.setdefault(added_at(part), []).append(i)
    at, weights = _midpoints(steps), (1 / steps,) * steps
    legs = [Leg(tuple(parts), at, weights, tuple(parts)) for parts in together.values()]
    found = linear(model, graph, task, ablation, legs, norm, batch_size)
    return scored("EAP-IG over activations", "eap_ig_activations", model, task, graph, ablation, found, norm, steps)


def clean_corrupted(
    model: Model, task: Task, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, norm: Norm = "live",
    batch_size: int | Literal["auto"] = "auto",
) -> EdgeScores:  # fmt: skip
    """Slopes averaged over the clean run and that of the counterfactuals, times what the ablation changes.

    A score estimates the change of the mean metric when the edge is ablated: ablated less intact.

    Arguments:
        model: the model.
        task: prompts with their counterfactual partners, and a metric.
        graph: whose edges; heads, MLPs and a joint embedding by default.
        ablation: "counterfactual" or "resample": the other run is that of a prompt.
        norm: "live", or "frozen": what norms divide by is a constant in either run.
        batch_size: examples per pass.

    Returns:
        The scores, and those of each example.

    Raises:
        InputError: an ablation that is no run of a prompt. SiteUnavailable: as for `eap`.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> clean_corrupted(model, sonde.tasks.load("agreement", model, n=4)).method
    'clean and corrupted slopes'
    """
    graph = graph or Graph.of(model)
    _refuse_unlike(ablation, "the mean of clean and corrupted slopes")
    leg = Leg(_all(graph), (0.0, 1.0), (0.5, 0.5), _embedding(graph))
    found = linear(model, graph, task, ablation, [leg], norm, batch_size)
    return scored("clean and corrupted slopes", "clean_corrupted", model, task, graph, ablation, found, norm)


def scored(
    method: str, function: str, model: Model, task: Task, graph: Graph, ablation: Ablation, per_example: Tensor, norm: Norm = "live",
    steps: int | None = None, more: Mapping[str, Any] | None = None, meaning: str = "",
) -> EdgeScores:  # fmt: skip
    """The scores of edges as a result.

    Arguments:
        method: in words.
        function: its name.
        model, task, graph, ablation: what was asked.
        per_example: edge example, edges in the order of `graph.real.nonzero()`; NaN where an edge was not scored.
        norm, steps: how.
        more: further arguments of the function.
        meaning: what the scores are where they are sizes without a sign.
    """
    values = per_example.new_zeros(graph.real.shape)
    values[graph.real] = per_example.mean(1)
    arguments = {"graph": graph.summary, "ablation": vars(ablation), "norm": norm, **({} if steps is None else {"steps": steps}), **(more or {})}
    recipe = Recipe.of(f"sonde.circuits.{function}", arguments, model_hash=model.hash, inputs=task.content)
    kept = per_example if per_example.numel() * per_example.element_size() <= KEPT else None
    return EdgeScores(graph, values, method, Conditions.of(graph, task, ablation), kept, norm, steps, meaning, recipe=recipe)


def _all(graph: Graph) -> tuple[int, ...]:
    return tuple(range(len(graph.sending)))


def _embedding(graph: Graph) -> tuple[int, ...]:
    return tuple(i for i, part in enumerate(graph.sending) if part.kind == "embed")


def _midpoints(steps: int) -> tuple[float, ...]:
    """How far on the way slopes are taken."""
    if not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps={shown(steps)}: give the number of runs on the way, 1 or more")
    return tuple((j + 0.5) / steps for j in range(steps))


def _refuse_unlike(ablation: Ablation, method: str) -> None:
    if ablation.kind not in ("counterfactual", "resample"):
        raise InputError(
            f"{method} moves the embeddings to those of another prompt, and {str(ablation)!r} is none: use eap or eap_ig_activations, or the kind "
            "'counterfactual' or 'resample'"
        )


def _refuse_flat(slopes: Slopes, task: Task) -> None:
    """Raise where the metric has no slope, so that every score would be zero."""
    steepest = max(float(gradient.abs().max()) for gradient in slopes.gradients.values())
    value = float(slopes.metric.abs().max())
    if steepest == 0 or (isinstance(task.metric, KL) and value < FLAT):
        raise InputError(
            f"the metric {name_of(task.metric)!r} has no slope in the clean run, where it is at most {value:.2g} {unit_of(task.metric)} and its "
            f"steepest gradient is {steepest:.2g}: EAP would see nothing; use eap_ig or eap_ig_activations, which take slopes on the way"
        )
