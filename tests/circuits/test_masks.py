"""Learnt masks: the closed forms of the distribution, circuits that were written down, and what can go wrong on the way."""

import json
import math

import pytest
import torch

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit, edge_pruning, subnetwork_probing
from sonde.circuits.concrete import HIGH, LOW, TEMPERATURE, draw, located, open_probability, settled
from sonde.results import InputError, SondeError
from sonde.specimens import compiled


@pytest.mark.parametrize("location", [-3.0, -0.5, 0.0, 1.0, 4.0])
def test_chances_of_the_hard_concrete(location):
    """The share of draws that are exactly 0, and exactly 1, against the closed forms."""
    n = 40_000
    z = draw(torch.full((n,), location, dtype=torch.float64), torch.Generator().manual_seed(0))
    closed = 1 - float(open_probability(torch.tensor(location, dtype=torch.float64)))
    whole = 1 / (1 + math.exp(-(location - TEMPERATURE * math.log((1 - LOW) / (HIGH - 1)))))
    for share, expected in ((float((z == 0).double().mean()), closed), (float((z == 1).double().mean()), whole)):
        assert share == pytest.approx(expected, abs=5 * (expected * (1 - expected) / n) ** 0.5 + 1e-9)
    assert ((z >= 0) & (z <= 1)).all()


def test_its_parameter():
    assert open_probability(torch.tensor(located(0.9), dtype=torch.float64)).item() == pytest.approx(0.9)
    assert settled(torch.tensor([-10.0, 0.0, 10.0])).tolist() == pytest.approx([0.0, 0.5, 1.0])


@pytest.fixture(scope="module")
def gate():
    made = compiled.build("and_gate")
    model = sonde.Model(made.model, made.tokenizer)
    return model, made.examples(3), Graph.of(model, embed="split")


def test_edges_that_were_written_down_are_found():
    made = compiled.induction(n_words=10, n_ctx=8)
    model, task, truth = sonde.Model(made.model, made.tokenizer), made.examples(3), made.truth["counterfactual"].edges
    graph = Graph.of(model, embed="split")
    found = edge_pruning(model, task, 1 - len(truth) / graph.n_edges, graph=graph, steps=100, rate=0.3)
    assert set(found.circuit(k=len(truth)).edges) == truth
    assert found.closed[-1] > 0.8 > found.closed[0] and found.costs.isfinite().all()


def test_nothing_to_pay_keeps_all(gate):
    model, task, graph = gate
    found = subnetwork_probing(model, task, 0.0, over="edges", graph=graph, steps=6)
    assert found.circuit(connected=False).n_edges == graph.n_edges
    assert 0.8 * graph.n_edges < found.expected <= graph.n_edges


def test_a_price_beyond_all_worth_is_refused_and_never_undefined(gate):
    """The mask closes whole: the search ends with finite numbers, and the empty circuit is refused by name."""
    model, task, graph = gate
    found = subnetwork_probing(model, task, 1e6, over="edges", graph=graph, steps=8, rate=2.0)
    assert found.costs.isfinite().all() and found.closed[-1] > 0.95
    with pytest.raises(InputError, match="ask for less sparsity"):
        found.circuit()


def test_nodes_share_an_amount_and_embeddings_stay(gate):
    model, task, graph = gate
    found = subnetwork_probing(model, task, 1.0, graph=graph, steps=2)
    for s, name in enumerate(graph.senders):
        own = found.amounts[s][graph.real[s]]
        assert (own == own[0]).all() and (not name.endswith("embed") or own[0] == 1)
    assert (found.open[~graph.real] == 0).all()


def test_seeds_and_results(gate, tmp_path):
    model, task, graph = gate
    one, again, other = (edge_pruning(model, task, 0.5, graph=graph, steps=3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.locations, again.locations) and not torch.equal(one.locations, other.locations)
    assert one.circuit(k=40, connected=False).nominal == 40
    assert one.to_frame().height == graph.n_edges and one.drawing().kind == "lines"
    one.save(tmp_path / "mask")
    assert torch.equal(type(one).load(tmp_path / "mask").locations, one.locations)


def test_probabilities_are_never_taken_for_effects(tmp_path):
    """They are told as what they are, ranked by size whatever the sign of the metric, and written so that MIB adds the most open first."""
    model = sonde.load("specimen:words")
    task = sonde.tasks.load("agreement", model, n=2)
    for metric in ("kl", None):  # of which less is better, and more
        mask = subnetwork_probing(model, task, 1.0, over="edges", steps=2, metric=metric)
        circuit, scores = mask.circuit(k=60), mask.scores
        assert scores.unit == circuit.unit == circuit.drawing().unit == "probability of being open"
        assert circuit.drawing().legend["zero"] == "surely closed" and "probability of being open" in scores.drawing().note
        assert torch.equal(scores.strengths(signed=True), scores.strengths()) and scores.top(60).edges == circuit.edges
        place = tuple(mask.graph.real.nonzero()[0].tolist())
        for written, values in ((scores, scores.values), (circuit, circuit.weights), (circuit & circuit, circuit.weights)):
            edges = json.loads(written.to_mib(model, tmp_path / "mib.json").read_text())["edges"]
            assert next(iter(edges.values()))["score"] == pytest.approx(float(values[place])) and values[place] > 0
    kept = Circuit.from_json(circuit.to_json(tmp_path / "mask.json"), model).to_mib(model, tmp_path / "mib.json")
    assert {edge["score"] for edge in json.loads(kept.read_text())["edges"].values()} == {0.0, 1.0}  # nobody knows any more what the scores were


def test_bad_input(gate):
    model, task, graph = gate
    for sparsity in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match="from 0 to below 1"):
            edge_pruning(model, task, sparsity, graph=graph)
    with pytest.raises(InputError, match="price of 0 or more"):
        subnetwork_probing(model, task, -1.0, graph=graph)
    with pytest.raises(InputError, match="use 'edges' or 'nodes'"):
        subnetwork_probing(model, task, 1.0, over="heads", graph=graph)
    with pytest.raises(InputError, match="at least one step"):
        edge_pruning(model, task, 0.5, graph=graph, steps=0)
    with pytest.raises(InputError, match="from 1 to"):
        subnetwork_probing(model, task, 1.0, graph=graph, steps=1).circuit(k=10**6)
    with pytest.raises(SondeError, match="at step 1"):
        edge_pruning(model, task, 0.5, graph=graph, steps=1, metric=lambda run: run.logits_at(-1)[:, 0] * float("nan"))
