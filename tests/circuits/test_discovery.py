"""From a task to a judged circuit in one go."""

import pytest
import torch
from circuits.examples import words, words_scores

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit, Discovery, discover, rewire
from sonde.circuits.discovery import METHODS, fewest, ranked, verified
from sonde.evidence import permuted
from sonde.results import InputError
from sonde.specimens import compiled
from sonde.tasks import Ablation, load


@pytest.fixture(scope="module")
def found():
    model = sonde.load("specimen:words")
    return discover(model, load("ioi", model, n=16), method="eap", verify=40, n_random=3)


def test_a_task_becomes_a_judged_circuit(found, tmp_path):
    model = sonde.load("specimen:words")
    assert 0 < found.circuit.n_edges < 60 and found.verified == 40 and found.gap.holds
    searched, judged = set(found.scores.conditions.examples), set(found.curve.conditions.examples)
    assert not searched & judged and len(searched) + len(judged) == 16
    at = found.curve.nominal.index(found.circuit.nominal)
    assert found.curve.faithfulness[at].value > 0.8 > found.curve.random_faithfulness[at].max()
    assert [verdict.holds for verdict in found.verdicts[:2]] == [True, True]
    again = Discovery.load(found.save(tmp_path / "found"))
    assert again.circuit.edges == found.circuit.edges and again.curve.nominal == found.curve.nominal
    data = found.drawing().data
    assert data["shown"] == found.circuit.nominal and data["curve"]["sizes"] == found.curve.nominal and len(found.to_frame()) == found.circuit.n_edges
    assert len(found.check(model, load("ioi", model, n=4, seed=9), n_random=2)) == 3


def test_verified_scores_are_exact_and_the_others_as_they_were():
    model, graph, task = words()
    exact = words_scores()
    rewired = rewire(model, graph, task.split()[0])
    wrong = exact.values * 0.5
    halved = verified(rewired, type(exact)(graph, wrong, "halved", exact.conditions, recipe=exact.recipe), 30)
    strongest = {(s, r) for s, r, _ in ranked(exact, 30)}
    for s, r in graph.real.nonzero().tolist():
        expected = exact.values[s, r] if (s, r) in strongest else wrong[s, r]
        assert halved.values[s, r] == pytest.approx(float(expected), abs=1e-5)


def test_the_fewest_edges_are_the_size_from_which_on_the_share_is_kept():
    model, graph, task = words()
    scores, rewired = words_scores(), rewire(model, graph, task.split()[0])
    k = fewest(rewired, scores, 0.9)
    masks = torch.stack([scores.top(size).mask for size in (k, graph.n_edges)])
    values = rewired.values(torch.cat([masks, torch.zeros_like(graph.real)[None]])).mean(1)
    assert (values[0] - values[2]) / (values[1] - values[2]) >= 0.9
    assert fewest(rewired, scores, 0.9, most=1) == 1
    with pytest.raises(InputError, match=r"share=1\.5"):
        fewest(rewired, scores, 1.5)


@pytest.mark.parametrize("method", ["exact", "acdc"])
def test_a_written_program_is_found(method):
    """The heads, places and words of induction; nothing else matters, so every edge outside has no effect at all."""
    program = compiled.build("and_gate")
    model = sonde.load(program.model, program.tokenizer)
    graph = Graph.of(model, embed="split")
    given = {"threshold": 1e-3} if method == "acdc" else {"k": len(program.truth["zero"].edges)}
    found = discover(model, program.examples(16), method, graph, Ablation("zero"), n_random=1, **given)
    truth = Circuit.of(model, sorted(program.truth["zero"].edges), graph)
    assert set(found.circuit.edges) <= set(truth.edges) and found.circuit.n_edges >= len(truth) - len(program.truth["zero"].hidden)


def test_what_cannot_be_found_is_refused_in_one_line():
    model = sonde.load("specimen:words")
    task = load("ioi", model, n=8)
    with pytest.raises(InputError, match="choose " + ", ".join(METHODS)):
        discover(model, task, "magic")
    with pytest.raises(InputError, match="give one of them"):
        discover(model, task, "eap", k=3, threshold=1.0)
    with pytest.raises(InputError, match="give threshold="):
        discover(model, task, "acdc")
    with pytest.raises(InputError, match=r"leaves nothing to explain: .* a gap of"):
        discover(model, load("colored_objects", model, n=8), "eap")
    with pytest.raises(InputError, match="threshold=1000 keeps no edge: the strongest has"):
        discover(model, task, "eap", threshold=1000.0)
    with pytest.raises(InputError, match="eap"):
        discover(model, task, "eap", metric="kl")


def test_shuffled_weights_have_no_circuit_to_find():
    model = sonde.load("specimen:words")
    other = sonde.load(permuted(model.module, seed=0), model.tokenizer)
    with pytest.raises(InputError, match="leaves nothing to explain"):
        discover(other, load("ioi", other, n=16), "eap")
