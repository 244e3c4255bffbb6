"""The ways in which `discover` looks for a circuit: rank edges and take the strongest, or search for a set of them.

Each way takes options of its own. What it does not take is refused, so that nobody believes to have chosen what was never looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from sonde.access import Graph, Model
from sonde.circuits.acdc import acdc
from sonde.circuits.backwards import Backwards
from sonde.circuits.circuit import Circuit
from sonde.circuits.evaluation.measuring import shares
from sonde.circuits.masks import LearntMask, edge_pruning, subnetwork_probing
from sonde.circuits.nodes import pruned
from sonde.circuits.ranking import strongest
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import Rewired, rewire
from sonde.circuits.scores import clean_corrupted, eap, eap_ig, eap_ig_activations, exact_edges
from sonde.circuits.two_stage import TwoStage, verified
from sonde.results import InputError, shown
from sonde.tasks import Ablation, Task

GROWTH = 1.2  # from each size that is tried to the next
SHARE = 0.9  # of the gap
VERIFY, SAMPLE = 200, 100  # edges that are ablated one by one: the strongest, and of the others
RANKINGS: dict[str, Callable[..., EdgeScores]] = {
    "eap_ig": eap_ig, "eap": eap, "eap_ig_activations": eap_ig_activations, "clean_corrupted": clean_corrupted, "exact": exact_edges,
}  # fmt: skip
MASKS: dict[str, Callable[..., LearntMask]] = {"edge_pruning": edge_pruning, "subnetwork_probing": subnetwork_probing}
SIZE, TWO_STAGES = ("k", "threshold", "share"), ("verify", "sample")
TAKES: dict[str, tuple[str, ...]] = {
    "eap_ig": (*SIZE, *TWO_STAGES, "steps"),
    "eap": (*SIZE, *TWO_STAGES),
    "eap_ig_activations": (*SIZE, *TWO_STAGES, "steps"),
    "clean_corrupted": (*SIZE, *TWO_STAGES),
    "exact": SIZE,
    "acdc": ("threshold",),
    "backwards": ("threshold", "measure"),
    "edge_pruning": ("sparsity", "k", "over", "steps"),
    "subnetwork_probing": ("weight", "k", "over", "steps"),
}
"""The options of each way."""
NEEDS = {
    "acdc": ("threshold", "what an edge must be worth, in the metric's unit"),
    "backwards": ("threshold", "what an edge must be worth, in the metric's unit"),
    "edge_pruning": ("sparsity", "the share of the edges to be closed"),
    "subnetwork_probing": ("weight", "the price of leaving everything open, in the metric's unit"),
}
"""The option without which there is no search, and what it is."""


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search has found.

    Arguments:
        circuit: the edges.
        scores: what ranks the edges, in the metric's unit; the circuit's come first.
        verified: how many edges were ablated one by one.
        verification: their estimates beside their effects; `None` where nothing was estimated.
        mask: the mask that was learnt, if one was.
        signed: whether edges that stand against the answer come last.
    """

    circuit: Circuit
    scores: EdgeScores
    verified: int = 0
    verification: TwoStage | None = None
    mask: LearntMask | None = None
    signed: bool = False


def asked_for(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given.

    Arguments:
        method: the way.
        options: all options by name; `None` for what was not given.

    Raises:
        InputError: an unknown way; an option that it does not take, or none that it needs; two sizes.
    """
    if method not in TAKES:
        raise InputError(f"method={shown(method)}: choose {', '.join(TAKES)}")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in TAKES[method]:
            others = ", ".join(other for other, names in TAKES.items() if name in names)
            raise InputError(f"{name}={shown(given[name])} is not for method={method!r}, which takes {', '.join(TAKES[method])}; it is for {others}")
    needed, meaning = NEEDS.get(method, ("", ""))
    if needed and needed not in given:
        raise InputError(f"method={method!r} needs {needed}=: {meaning}")
    if given.get("verify", 0) < 0:
        raise InputError(f"verify={shown(given['verify'])}: give how many edges are ablated one by one, 0 for none")
    sizes = [name for name in SIZE if name in given]
    if len(sizes) > 1:
        raise InputError(f"{'= and '.join(sizes)}= each say how large the circuit is: give one of them")
    return given


def searched(
    model: Model, search: Task, method: str, graph: Graph, ablation: Ablation, options: Mapping[str, Any], seed: int, show: bool
) -> Searched:  # fmt: skip
    """Look for a circuit in one of the ways.

    Arguments:
        model: the model.
        search: the examples, under the metric that is asked for.
        method: the way.
        graph: of the edges.
        ablation: what ablated edges carry.
        options: those that were given.
        seed: of what is drawn.
        show: show progress.

    Raises:
        InputError: as the way itself; a size that keeps nothing.
    """
    if method == "acdc":
        circuit = acdc(model, search, options["threshold"], graph, ablation, show=show).circuit
        assert circuit.weights is not None and circuit.conditions is not None
        # an edge stays for what its loss makes worse, so what its loss makes better comes last
        return Searched(circuit, EdgeScores(graph, circuit.weights, "ACDC", circuit.conditions, recipe=circuit.recipe), signed=True)
    if method == "backwards":
        steps = Backwards(model, search, graph=graph, ablation=ablation, show=show, **options)
        circuit = steps.run()
        return Searched(circuit, steps.scores, steps.scores.n_scored if steps.measure == "edges" else 0)
    if method in MASKS:
        given = {name: value for name, value in options.items() if name != "k"}
        mask = MASKS[method](model, search, graph=graph, ablation=ablation, metric=None, seed=seed, show=show, **given)
        left = mask.circuit(options.get("k"))
        # how open an edge was left is no worth: what its own loss changes is measured, as of every other circuit's edges
        scores = replace(exact_edges(model, search, graph, ablation, edges=left.mask), method=left.method)
        return Searched(replace(left, weights=scores.values.nan_to_num(0.0), nominal=None, meaning=""), scores, left.n_edges, mask=mask)
    return _ranked(model, search, method, graph, ablation, options, seed, show)


def _ranked(
    model: Model, search: Task, method: str, graph: Graph, ablation: Ablation, options: Mapping[str, Any], seed: int, show: bool
) -> Searched:  # fmt: skip
    """The strongest edges by a score."""
    rewired = rewire(model, graph, search, ablation)
    scores = RANKINGS[method](model, search, graph, ablation, **{name: options[name] for name in ("steps",) if name in options})
    verification, verify = None, options.get("verify", VERIFY)
    n_verified = graph.n_edges
    if method != "exact":
        verification = verified(rewired, scores, verify, options.get("sample", SAMPLE), seed, show) if verify else None
        n_verified = int(verification.verified.sum()) if verification else 0
        scores = verification.scores if verification else scores
    if "threshold" in options:
        circuit = scores.threshold(options["threshold"])
    else:
        circuit = scores.top(options["k"] if "k" in options else fewest(rewired, scores, options.get("share", SHARE)))
    return Searched(circuit, scores, n_verified, verification)


def fewest(rewired: Rewired, scores: EdgeScores, share: float, most: int | None = None) -> int:
    """The size from which on circuits of the strongest edges keep a share of the gap; the largest size where none does.

    Arguments:
        rewired: the task that was searched.
        scores: the ranking.
        share: of the gap between everything and nothing.
        most: the largest size; all edges that were scored by default.

    Raises:
        InputError: no share between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(f"share={shown(share)}: give a part of the gap, between 0 and 1")
    graph, strengths = scores.graph, scores.strengths()
    sizes, last = [1], min(scores.n_scored, most or scores.n_scored)
    while sizes[-1] < last:
        sizes.append(min(last, max(sizes[-1] + 1, int(sizes[-1] * GROWTH))))
    masks = pruned(graph, torch.stack([strongest(strengths, size) for size in sizes]))
    values = rewired.values(torch.cat([masks, graph.real[None], torch.zeros_like(graph.real)[None]]))
    kept = shares(values[:-2], values[-2], values[-1]) >= share
    below = (~kept).nonzero()[:, 0].tolist()
    return sizes[min(len(sizes) - 1, below[-1] + 1)] if below else sizes[0]
