"""Along which edges is the answer computed?"""

from sonde.access import Graph
from sonde.circuits import EdgeScores, FaithfulnessCurve, eap_ig, faithfulness_curve, rewire
from sonde.circuits.discovery import drawn_curve, ranked
from sonde.circuits.evaluation.judging import ENOUGH
from sonde.circuits.pictures import ranked_graph
from sonde.circuits.searching import fewest
from sonde.circuits.two_stage import verified
from sonde.evidence import sufficiency, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results import InputError, SiteUnavailable, Verdict
from sonde.results.document import Section, Sentence

TITLE = "Circuit"
LEAD = (
    "An edge joins what a component adds to the residual stream to what a later one reads of it. Edges are ranked on the search prompts by how much "
    "the contrast would change if they carried the counterfactual's values (integrated gradients along the embeddings), and the strongest are then "
    "ablated one by one. What the strongest edges alone restore is measured on the other prompts, beside random circuits of as many edges."
)
CLAIM = "The answer is computed along a few edges."
MOST = 40  # edges that are ablated one by one, and drawn
SHARE = 0.8  # of the gap on the search prompts
SIZES = (5, 10, 20, MOST)
DRAWS = 6  # random circuits of each size
SEARCHED = 8  # prompts: what a few of them rank highest differs little from what more do


def circuit(material: Material) -> Chapter:
    """The strongest edges as a graph with what heads look at, how faithful circuits of them are, and whether a few of them are enough."""
    try:
        if material.untested:
            raise InputError(material.untested)
        scores, k, curve = _found(material)
    except (SiteUnavailable, InputError) as reason:
        claim = untestable(CLAIM, ENOUGH, str(reason), threshold=HALF, threshold_source=HALF_SOURCE)
        return Chapter(Section("circuit", TITLE, LEAD, sentences=[Sentence(f"Not possible: {reason}.")]), [claim])
    model, graph = material.model, scores.graph
    patterns = None
    if material.patterns is not None:
        patterns = {f"blocks.{i}.attn.z[head={h}]": material.patterns[i, h] for i in range(model.n_layers) for h in range(model.n_heads)}
    note = f"The first {MOST} of {graph.n_edges:,} edges; {scores.conditions}."
    edges = ranked(scores, MOST)
    drawing = ranked_graph(
        "Along which edges is the answer computed?", graph, scores.unit, edges, min(k, len(edges)), drawn_curve(curve), patterns,
        material.prediction.tokens, note,
    )  # fmt: skip
    few = f"the fewest that restore {SHARE:.0%} of the gap" if k < MOST else f"as many as are looked at; fewer do not restore {SHARE:.0%} of the gap"
    said = f"Chosen on {scores.n} search prompts, to be tested on others: the {k} strongest of {graph.n_edges:,} edges, {few}."
    section = Section("circuit", TITLE, LEAD, [drawing, curve.drawing()], [Sentence(said)])
    return Chapter(section, [_enough(curve, k, scores.n_scored)], {"circuit.scores": scores, "circuit.curve": curve})


def _found(material: Material) -> tuple[EdgeScores, int, FaithfulnessCurve]:
    """The ranking, the number of edges that restore most of the gap on the search prompts, and the faithfulness on the others."""
    model, graph = material.model, Graph.of(material.model)
    search = material.search.select(range(min(SEARCHED, len(material.search))))
    rewired = rewire(model, graph, search)
    scores = verified(rewired, eap_ig(model, search, graph), MOST).scores
    k = fewest(rewired, scores, SHARE, MOST)
    sizes = sorted({size for size in (*SIZES, k) if size <= scores.n_scored})
    return scores, k, faithfulness_curve(model, scores, material.evaluate, sizes, n_random=DRAWS, seed=material.seed)


def _enough(curve: FaithfulnessCurve, k: int, n_edges: int) -> Verdict:
    """Whether the chosen circuit restores most of the gap on the prompts that judge, and more than random circuits do."""
    at = curve.nominal.index(k)
    sign = curve.conditions.sign
    whole, nothing, alone, random = (sign * values for values in (curve.whole, curve.nothing, curve.values[at], curve.random[at]))
    return sufficiency(f"{curve.actual[at]} of {n_edges:,} edges are enough for the answer.", whole, nothing, alone, random, measure=ENOUGH)
