"""From a task to a judged circuit in one go: is there a gap, which edges matter, how few of them are enough, and is that true on other examples?

Half of the examples are searched. Where edges are ranked, every edge is scored, the strongest are ablated one by one with a sample of the others, and
the circuit is made of the fewest that keep a share of the gap; the other searches choose a set themselves. The other half judges it, against random
circuits of its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from sonde.access import Graph, Metric, Model
from sonde.circuits.asking import asking
from sonde.circuits.backwards import Measure
from sonde.circuits.circuit import Circuit
from sonde.circuits.evaluation import FaithfulnessCurve, faithfulness_curve
from sonde.circuits.masks import LearntMask, Over
from sonde.circuits.pictures import ranked_graph
from sonde.circuits.results import EdgeScores
from sonde.circuits.rewire import COUNTERFACTUAL
from sonde.circuits.searching import asked_for, searched
from sonde.circuits.two_stage import TwoStage
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Curve, Series
from sonde.tasks import Ablation, Task, TaskCheck, check

if TYPE_CHECKING:
    from polars import DataFrame

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # on the curve, and all edges
DRAWN = 2000  # edges


@dataclass(frozen=True, eq=False, repr=False)
class Discovery(Result):
    """A circuit, what led to it, and how it stands on examples that the search has not seen.

    Arguments:
        gap: the metric on all examples and on their counterfactuals.
        scores: what each edge is worth, on the search examples: exactly where it was verified, else as the method estimates it; after a search for
            a set only those that it looked at have a score, after that for a mask those of the circuit.
        verified: how many edges were ablated one by one.
        circuit: what was found.
        curve: how faithful circuits of the strongest edges are, on the examples that judge, and random circuits of their sizes.
        verdicts: whether the circuit is what it claims to be, on the examples that judge.
        verification: the estimates beside the exact effects, with what they may have missed; `None` where nothing was estimated.
        mask: the mask that was learnt, if one was.
    """

    gap: TaskCheck
    scores: EdgeScores
    verified: int
    circuit: Circuit
    curve: FaithfulnessCurve
    verdicts: list[Verdict]
    verification: TwoStage | None = None
    mask: LearntMask | None = None

    @property
    def missed(self) -> tuple[float, float] | None:
        """The 95 % interval of how many edges that were not verified are as strong as the weakest of the circuit; `None` where that is not known."""
        k = self.circuit.nominal or self.circuit.n_edges
        if self.verification is None or k > self.verification.n_strongest:
            return None
        return self.verification.missed(k)

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
        edges, curve = ranked(self.scores, signed=self.curve.signed), drawn_curve(self.curve)
        return ranked_graph("Which edges carry the answer?", self.scores.graph, self.scores.unit, edges, first, curve, patterns, tokens, note)

    def estimate_drawing(self) -> Drawing | None:
        """Exact effects over estimates; `None` where nothing was estimated."""
        if self.verification is None:
            return None
        return self.verification.drawing(None if self.missed is None else self.circuit.nominal or self.circuit.n_edges)

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
    threshold: float | None = None, share: float | None = None, verify: int | None = None, sample: int | None = None,
    sparsity: float | None = None, weight: float | None = None, over: Over | None = None, measure: Measure | None = None,
    steps: int | None = None, metric: str | Metric | None = None, n_random: int = 10, seed: int = 0, show: bool = False,
) -> Discovery:  # fmt: skip
    """Find a circuit on half of a task's examples, and judge it on the others.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners.
        method: a ranking, "eap_ig", "eap", "eap_ig_activations", "clean_corrupted", "exact" (every edge ablated alone); or a search for a set,
            "acdc", "backwards", "edge_pruning", "subnetwork_probing". Options that a method does not take are refused.
        graph: which nodes there are; heads, MLPs and a joint embedding by default.
        ablation: what ablated edges carry.
        k: of rankings and masks: how many edges; by default the fewest that keep `share` of the gap, or what the mask leaves more than half open.
        threshold: of rankings instead, and of "acdc" and "backwards": the least that an edge must be worth, in the metric's unit.
        share: of rankings: of the gap on the search examples, 0.9 by default; see `k`.
        verify: of estimates: how many of the strongest edges are ablated one by one, so that their scores are exact; 200 by default, 0 for none.
        sample: of estimates: how many of the others are, drawn at random, to bound what was missed; 100 by default.
        sparsity: of "edge_pruning": the share of the edges to be closed.
        weight: of "subnetwork_probing": the price of leaving everything open, in the metric's unit.
        over: of masks: "edges" or "nodes"; see there.
        measure: of "backwards": "edges" or "together"; see there.
        steps: of methods that integrate (5 by default) and of masks (hundreds).
        metric: what is explained, as for `acdc`; the task's own by default.
        n_random: random circuits at each size.
        seed: of the split, of what a search draws, and of random circuits.
        show: show progress.

    Returns:
        The circuit with its scores, its curve and its verdicts.

    Raises:
        InputError: no gap between examples and counterfactuals, with the figures; an unknown method; an option that it does not take, or none that
            it needs; a method whose slopes are zero; a size or threshold that keeps nothing. SiteUnavailable: a model whose residual stream is not
            the sum of what its parts add.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = discover(model, sonde.tasks.load("ioi", model, n=16), method="eap", verify=20, sample=10, n_random=2)
    >>> found.verified, found.circuit.n_edges < 60
    (30, True)
    """
    options = asked_for(
        method,
        {
            "k": k, "threshold": threshold, "share": share, "verify": verify, "sample": sample, "sparsity": sparsity, "weight": weight, "over": over,
            "measure": measure, "steps": steps,
        },
    )  # fmt: skip
    graph = graph or Graph.of(model)
    asked = asking(model, task, metric)
    gap = check(model, asked)
    gap.require_gap()
    search, others = asked.split(seed)
    found = searched(model, search, method, graph, ablation, options, seed, show)
    circuit, scores = found.circuit, found.scores
    if not circuit.n_edges:
        raise InputError(f"no path from the embedding to the logits is left of {circuit.method}: ask for more edges")
    sizes = sorted({size for size in (*SIZES, circuit.nominal or circuit.n_edges, graph.n_edges) if size <= scores.n_scored})
    curve = faithfulness_curve(model, scores, others, sizes, found.signed, ablation, n_random, seed=seed)
    arguments = {"method": method, "graph": graph.summary, "ablation": str(ablation), "metric": scores.conditions.metric, **options}
    recipe = Recipe.of("sonde.circuits.discover", arguments, model_hash=model.hash, inputs=task.content, seed=seed)
    verdicts = circuit.check(model, others, seed=seed)
    return Discovery(gap, scores, found.verified, circuit, curve, verdicts, found.verification, found.mask, recipe=recipe)


def ranked(scores: EdgeScores, most: int = DRAWN, signed: bool = False) -> list[tuple[int, int, float]]:
    """The strongest edges: the numbers of sender and receiver, and the score.

    Arguments:
        scores: the ranking.
        most: how many.
        signed: whether edges that stand against the answer come last.
    """
    strengths, width = scores.strengths(signed), len(scores.graph.receivers)
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
