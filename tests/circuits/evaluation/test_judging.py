"""Verdicts on circuits, random circuits, recovery of known ones, stability; beside each the control that must fail."""

import pytest
import torch
from circuits.examples import exact, scored, small, words, words_scores
from hypothesis import given, settings
from hypothesis import strategies as st

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit, eap, random_circuits, random_test, rewire, roc, roc_of, stability, stability_of
from sonde.circuits.nodes import pruned
from sonde.evidence import permuted
from sonde.results import CheckRefused, InputError
from sonde.specimens import compiled
from sonde.tasks import Ablation


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 110), st.integers(0, 10**6))
def test_random_circuits_have_their_size_and_are_connected(size, seed):
    _, graph = small()
    drawn = random_circuits(graph, size, 3, seed)
    assert drawn.sum((1, 2)).tolist() == [size] * 3 and torch.equal(pruned(graph, drawn), drawn)
    loose = random_circuits(graph, size, 3, seed, kind="edges")
    assert loose.sum((1, 2)).tolist() == [size] * 3 and not (loose & ~graph.real).any()
    assert torch.equal(drawn, random_circuits(graph, size, 3, seed))


def test_random_edges_are_a_weak_control():
    """A tenth of all edges, drawn by themselves, hardly connect anything."""
    _, graph, _ = words()
    loose, connected = (random_circuits(graph, 24, 20, kind=kind) for kind in ("edges", "connected"))
    assert pruned(graph, loose).sum((1, 2)).float().mean() < 12 and pruned(graph, connected).sum((1, 2)).tolist() == [24] * 20
    for bad in ({"size": 480}, {"size": 5, "kind": "nodes"}):
        with pytest.raises(InputError):
            random_circuits(graph, n=1, **{"size": 5} | bad)


def test_a_found_circuit_holds_and_a_random_one_does_not():
    model, graph, task = words()
    _, rest = task.split()
    found = words_scores().top(60)
    enough, needed, matters = found.check(model, rest, n_random=8)
    assert enough.holds and needed.measured > 0.9 and matters.holds and enough.n == len(rest)
    random = Circuit.of(model, graph.edges(random_circuits(graph, found.n_edges, 1, seed=5)[0]), graph)
    assert random.check(model, rest, n_random=8)[0].holds is False and not random.check(model, rest, n_random=8)[2].measured > 0.01
    tested = random_test(model, found, rest, n_random=19)
    assert tested.p_sufficient == 1 / 20 and tested.minimal > 0.5 and tested.size == found.n_edges and tested.seen == 0
    assert random_test(model, random, rest, n_random=19).p_sufficient > 0.05
    assert len(tested.to_frame()) == 3 and tested.drawing().to_json()["kind"] == "violins"


def test_what_was_searched_on_and_what_is_no_circuit_has_no_verdict():
    model, _, task = words()
    search, rest = task.split()
    for verdict in words_scores().top(60).check(model, search):
        assert verdict.holds is None and "searched on" in verdict.reason
    nothing = Circuit.of(model, [("blocks.1.mlp.out", "logits")])
    assert all("on a path" in verdict.reason for verdict in nothing.check(model, rest))
    with pytest.raises(InputError, match="there is nothing to test"):
        random_test(model, nothing, rest)
    with pytest.raises(CheckRefused):
        words_scores().top(60).check(sonde.load("specimen:induction"), rest)


@pytest.mark.parametrize("seed", [0, 1])
def test_permuted_weights_have_no_sparse_circuit(seed):
    """The same search on a network of the same weights in another order finds nothing that is enough beyond the random band."""
    model, _, task = words()
    search, rest = task.split()
    reset = sonde.Model(permuted(model.module, seed=seed), model.tokenizer)
    assert eap(reset, search).top(24).check(reset, rest, n_random=8)[0].holds is not True
    assert eap(model, search).top(24).check(model, rest, n_random=8)[0].holds


@pytest.mark.parametrize("program", ["induction", "and_gate"])
def test_exact_effects_recover_compiled_circuits(program):
    made = compiled.build(program)
    model, task = sonde.Model(made.model, made.tokenizer), made.examples(9)
    graph = Graph.of(model, embed="split")
    scores = exact(model, graph, task)
    truth = Circuit.of(model, sorted(made.truth["counterfactual"].edges), graph)
    found = roc(scores, truth)
    assert found.auc == 1.0 and found.n_positive == truth.n_edges and found.n_positive + found.n_negative == graph.n_edges
    assert roc(scores, truth, "nodes").auc == 1.0
    shuffled = scored(model, graph, scores.per_example[torch.randperm(graph.n_edges)], scores.conditions)
    assert roc(shuffled, truth).auc < 0.95
    assert len(found.to_frame()) == len(found.true_positives) and found.drawing().data["diagonal"] == "chance"


def test_parts_that_back_one_another_up_are_not_recovered_alone():
    """Of an OR gate no single edge before the gate matters: exact effects find the last edge only, and the area tells it."""
    made = compiled.build("or_gate")
    model, task = sonde.Model(made.model, made.tokenizer), made.examples(9)
    graph = Graph.of(model, embed="split")
    truth = made.truth["counterfactual"]
    scores = exact(model, graph, task)
    seen = Circuit.of(model, sorted(truth.edges - truth.hidden), graph)
    assert roc(scores, seen).auc == 1.0 and roc(scores, Circuit.of(model, sorted(truth.edges), graph)).auc < 0.99


def test_planted_circuits_are_recovered():
    made = compiled.planted(n_layers=2, n_heads=3, seed=2)
    model, task = sonde.Model(made.model, made.tokenizer), made.examples(8)
    graph = Graph.of(model, embed="split")
    truth = Circuit.of(model, sorted(made.truth["zero"].edges), graph)
    scores = exact(model, graph, task, Ablation("zero"))
    assert roc(scores, truth).auc == 1.0


def test_circuits_are_compared_with_a_known_one_edge_by_edge():
    """An edge that no circuit has counts as not found: a positive of them is a false negative."""
    model, graph = small()
    edges = graph.edges()
    truth = Circuit.of(model, edges[:10], graph)
    half = Circuit.of(model, edges[:5], graph)
    assert roc_of([truth], truth).auc == 1.0 and roc_of([~truth], truth).auc == 0.0
    assert roc_of([half], truth).auc == pytest.approx(0.75)  # half of the positives first, the rest tied with all negatives
    assert roc_of([Circuit.of(model, [], graph)], truth).auc == 0.5
    with pytest.raises(InputError, match="nothing to tell apart"):
        roc_of([truth], Circuit.of(model, [], graph))
    with pytest.raises(InputError, match="give at least one"):
        roc_of([], truth)


def test_stability():
    scores = words_scores()
    found = stability(scores, 30, n=40)
    assert 0.3 < found.mean <= 1 and found.interval[0] <= found.mean <= found.interval[1] and found.by_chance < 0.1
    noise = scored(words()[0], scores.graph, torch.randn_like(scores.per_example), scores.conditions)
    assert stability(noise, 30, n=40).mean < found.mean
    same = stability_of([scores.top(30)] * 3)
    assert same.jaccard.tolist() == [1.0] * 3 and set(same.edges.unique().tolist()) == {0.0, 1.0}
    assert stability_of([scores.top(30), ~scores.top(30)]).mean == 0
    assert found.drawing().to_json()["kind"] == "violins" and len(found.to_frame()) == 40
    with pytest.raises(InputError, match="give at least two"):
        stability_of([scores.top(3)])


def test_it_works_in_a_model_with_grouped_keys():
    from circuits.test_rewire import tiny
    from tiny_families import build

    model = sonde.load(build("llama"))
    graph, task = Graph.of(model), tiny(model, 12)
    scores = exact(model, graph, task)
    values = rewire(model, graph, task).values(torch.stack([scores.top(40).mask, scores.top(40, connected=False).mask]))
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-4)
