"""From a task to a judged circuit in one go: is there a gap, which edges matter, how few of them are enough, and is that true on other examples?

Half of the examples are searched: every edge is scored, the strongest are ablated one by one, and the circuit is made of the fewest of them that keep
a share of the gap. The other half judges it, against random circuits of its size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph, Metric, Model
from sonde.circuits.acdc import acdc
from sonde.circuits.asking import asking
from sonde.circuits.circuit import Circuit
from sonde.circuits.evaluation import FaithfulnessCurve, faithfulness_curve
from sonde.circuits.evaluation.measuring import shares
from sonde.circuits.nodes import pruned
from sonde.circuits.pictures import ranked_graph
from sonde.circuits.ranking import strongest
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import COUNTERFACTUAL, Rewired, rewire
from sonde.circuits.scores import clean_corrupted, eap, eap_ig, eap_ig_activations, exact_edges
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Curve, Series
from sonde.tasks import Ablation, Task, TaskCheck, check

if TYPE_CHECKING:
    from polars import DataFrame

RANKINGS: dict[str, Callable[..., EdgeScores]] = {
    "eap_ig": eap_ig, "eap": eap, "eap_ig_activations": eap_ig_activations, "clean_corrupted": clean_corrupted,
}  # fmt: skip
METHODS = (*RANKINGS, "exact", "acdc")
GROWTH = 1.2  # from each size that is tried to the next
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # on the curve, and all edges
DRAWN = 2000  # edges


@dataclass(frozen=True, eq=False, repr=False)
class Discovery(Result):
    """A circuit, what led to it, and how it stands on examples that the search has not seen.

    Arguments:
        gap: the metric on all examples and on their counterfactuals.
        scores: what each edge is worth, on the search examples: exactly where it was verified, else as the method estimates it.
        verified: how many edges were ablated one by one.
        circuit: what was found.
        curve: how faithful circuits of the strongest edges are, on the examples that judge, and random circuits of their sizes.
        verdicts: whether the circuit is what it claims to be, on the examples that judge.
    """

    gap: TaskCheck
    scores: EdgeScores
    verified: int
    circuit: Circuit
    curve: FaithfulnessCurve
    verdicts: list[Verdict]

    def to_frame(self) -> "DataFrame":
        """The edges of the circuit, the strongest first."""
        return self.circuit.to_frame()

    def drawing(self) -> Drawing:
        """The strongest edges as a graph, of which the circuit's are seen at first, with the faithfulness at every size."""
        return self.graph_drawing()

    def graph_drawing(self, patterns: "dict[str, Float[Tensor, 'query key']] | None" = None, tokens: Sequence[str] | None = None) -> Drawing:
        """The same with attention patterns.

        Arguments:
            patterns: where heads look in one prompt, by their sites as senders.
            tokens: its tokens.
        """
        note = f"{self.circuit.n_edges:,} of {self.circuit.graph.n_edges:,} edges: {self.circuit.method}"
        first = min(self.circuit.nominal or self.circuit.n_edges, DRAWN)
        edges, curve = ranked(self.scores), drawn_curve(self.curve)
        return ranked_graph("Which edges carry the answer?", self.scores.graph, self.scores.unit, edges, first, curve, patterns, tokens, note)

    def check(self, model: Model, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Test the circuit; see `Circuit.check`.

        Arguments:
            model: the model that was searched.
            *args, **kwargs: as for `Circuit.check`: a task of other examples first.
        """
        self.refuse_other(model)
        return self.circuit.check(model, *args, **kwargs)


def discover(
    model: Model, task: Task, method: str = "eap_ig", graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, k: int | None = None,
    threshold: float | None = None, share: float = 0.9, verify: int = 200, metric: str | Metric | None = None, n_random: int = 10, seed: int = 0,
    steps: int = 5, show: bool = False,
) -> Discovery:  # fmt: skip
    """Find a circuit on half of a task's examples, and judge it on the others.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners.
        method: how edges are ranked: "eap_ig", "eap", "eap_ig_activations", "clean_corrupted", "exact" (every edge ablated alone); or "acdc", which
            searches by `threshold`.
        graph: which nodes there are; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        k: how many edges; by default the fewest that keep `share` of the gap on the search examples.
        threshold: instead: the least that an edge must be worth, in the metric's unit.
        share: of the gap; see `k`.
        verify: how many of the strongest edges are ablated one by one, so that their scores are exact.
        metric: what is explained, as for `acdc`; the task's own by default.
        n_random: random circuits at each size.
        seed: of the split and of random circuits.
        steps: of methods that integrate.
        show: show progress.

    Returns:
        The circuit with its scores, its curve and its verdicts.

    Raises:
        InputError: no gap between examples and counterfactuals, with the figures; an unknown method; a method whose slopes are zero; a size or
            threshold that keeps nothing. SiteUnavailable: a model whose residual stream is not the sum of what its parts add.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = discover(model, sonde.tasks.load("ioi", model, n=16), method="eap", verify=20, n_random=2)
    >>> found.verified, found.circuit.n_edges < 60
    (20, True)
    """
    if method not in METHODS:
        raise InputError(f"method={shown(method)}: choose {', '.join(METHODS)}")
    if k is not None and threshold is not None:
        raise InputError("k= and threshold= both say how large the circuit is: give one of them")
    if method == "acdc" and threshold is None:
        raise InputError("method='acdc' keeps what the metric minds by a threshold: give threshold=, in the metric's unit")
    graph = graph or Graph.of(model)
    asked = asking(model, task, metric)
    gap = check(model, asked)
    gap.require_gap()
    search, others = asked.split(seed)
    rewired = rewire(model, graph, search, ablation)
    if method == "acdc":
        assert threshold is not None
        circuit = acdc(model, search, threshold, graph, ablation, show=show).circuit
        assert circuit.weights is not None and circuit.conditions is not None
        scores, verified = EdgeScores(graph, circuit.weights, "ACDC", circuit.conditions, recipe=circuit.recipe), 0
    else:
        scores, verified = _scores(model, rewired, search, method, verify, steps, show)
        circuit = scores.threshold(threshold) if threshold is not None else scores.top(k or fewest(rewired, scores, share))
    if not circuit.n_edges:
        raise InputError(f"no path from the embedding to the logits is left of {circuit.method}: ask for more edges")
    sizes = sorted({size for size in (*SIZES, circuit.nominal or circuit.n_edges, graph.n_edges) if size <= graph.n_edges})
    curve = faithfulness_curve(model, scores, others, sizes, ablation=ablation, n_random=n_random, seed=seed)
    arguments = {
        "method": method, "graph": graph.summary, "ablation": str(ablation), "k": k, "threshold": threshold, "share": share, "verify": verify,
        "metric": scores.conditions.metric, "steps": steps,
    }  # fmt: skip
    recipe = Recipe.of("sonde.circuits.discover", arguments, model_hash=model.hash, inputs=task.content, seed=seed)
    return Discovery(gap, scores, verified, circuit, curve, circuit.check(model, others, seed=seed), recipe=recipe)


def verified(rewired: Rewired, scores: EdgeScores, most: int, show: bool = False) -> EdgeScores:
    """Scores in which those of the strongest edges are exact: each was ablated by itself.

    Arguments:
        rewired: the task that was searched.
        scores: estimates.
        most: how many edges.
        show: show progress.
    """
    graph = scores.graph
    mask = strongest(scores.strengths(), min(most, scores.n_scored))
    effects = rewired.effects(mask, show).to(scores.values)
    values = scores.values.clone()
    values[mask & graph.real] = effects.mean(1)
    per_example = None if scores.per_example is None else scores.per_example.clone()
    if per_example is not None:
        per_example[mask[graph.real]] = effects.to(per_example)
    method = f"{scores.method}, the strongest {int(mask.sum()):,} verified exactly"
    recipe = replace(scores.recipe, arguments=scores.recipe.arguments | {"verified": int(mask.sum())})
    return replace(scores, values=values, per_example=per_example, method=method, recipe=recipe)


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


def ranked(scores: EdgeScores, most: int = DRAWN) -> list[tuple[int, int, float]]:
    """The strongest edges: the numbers of sender and receiver, and the score.

    Arguments:
        scores: the ranking.
        most: how many.
    """
    strengths, width = scores.strengths(), len(scores.graph.receivers)
    order = strengths.flatten().argsort(descending=True, stable=True)[: min(most, scores.n_scored)].tolist()
    return [(i // width, i % width, float(scores.values[i // width, i % width])) for i in order]


def drawn_curve(curve: FaithfulnessCurve) -> Curve:
    """A curve for a drawing of the graph, with its band of random circuits.

    Arguments:
        curve: how faithful the circuits of each size are.
    """
    found, random = curve.faithfulness, curve.random_faithfulness
    band = Series("random circuits as large", random.mean(1), random.amin(1), random.amax(1)) if random.shape[1] else None
    return Curve("faithfulness", curve.nominal, [e.value for e in found], [e.low for e in found], [e.high for e in found], band)


def _scores(
    model: Model, rewired: Rewired, search: Task, method: str, verify: int, steps: int, show: bool
) -> tuple[EdgeScores, int]:  # fmt: skip
    graph, ablation = rewired.graph, rewired.ablation
    if method == "exact":
        return exact_edges(model, search, graph, ablation), graph.n_edges
    given: dict[str, Any] = {} if method in ("eap", "clean_corrupted") else {"steps": steps}
    estimated = RANKINGS[method](model, search, graph, ablation, **given)
    if not verify:
        return estimated, 0
    return verified(rewired, estimated, verify, show), min(verify, estimated.n_scored)
