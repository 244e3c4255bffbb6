"""From a task to a judged circuit in one go."""

import pytest
import torch
from circuits.examples import words, words_scores

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit, Discovery, discover, exact_edges, rewire
from sonde.circuits.discovery import ranked
from sonde.circuits.searching import TAKES, fewest
from sonde.evidence import permuted
from sonde.results import InputError
from sonde.specimens import compiled
from sonde.tasks import Ablation, load


@pytest.fixture(scope="module")
def found():
    model = sonde.load("specimen:words")
    return discover(model, load("ioi", model, n=16), method="eap", verify=40, sample=20, n_random=3)


def test_a_task_becomes_a_judged_circuit(found, tmp_path):
    model = sonde.load("specimen:words")
    assert 0 < found.circuit.n_edges < 60 and found.verified == 60 and found.gap.holds
    low, high = found.missed
    assert 0 <= low < high < found.circuit.graph.n_edges - 60 and "edges that were not verified" in found.estimate_drawing().note
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


@pytest.mark.parametrize("method", ["exact", "acdc", "backwards"])
def test_a_written_program_is_found(method):
    """Both ways of an AND gate; nothing else matters, so every edge outside has no effect at all."""
    program = compiled.build("and_gate")
    model = sonde.load(program.model, program.tokenizer)
    graph = Graph.of(model, embed="split")
    written = program.truth["zero"]
    truth, n = Circuit.of(model, sorted(written.edges), graph), len(written.edges)
    given = {"k": n} if method == "exact" else {"threshold": 1e-3}
    found = discover(model, program.examples(16), method, graph, Ablation("zero"), n_random=1, **given)
    assert set(found.circuit.edges) <= set(truth.edges) and found.circuit.n_edges >= len(truth) - len(written.hidden)
    shown_first_are_its_own(found)


def shown_first_are_its_own(found):
    """What is drawn at first, and measured at its size, are the edges that were found."""
    at = found.curve.nominal.index(found.circuit.nominal or found.circuit.n_edges)
    drawn = {(s, r) for s, r, _ in ranked(found.scores, found.curve.nominal[at], found.curve.signed)}
    assert {tuple(edge) for edge in found.circuit.mask.nonzero().tolist()} <= drawn and found.curve.actual[at] == found.circuit.n_edges


@pytest.fixture(scope="module")
def masked():
    model = sonde.load("specimen:words")
    return discover(model, load("ioi", model, n=16), "subnetwork_probing", weight=10.0, over="nodes", steps=8, n_random=2)


def test_the_edges_that_a_mask_leaves_are_told_by_what_they_are_worth(masked, tmp_path):
    """A probability of being open is no effect: what is drawn and ranked is what the loss of each edge changes, in the metric's unit."""
    assert masked.scores.unit == masked.circuit.unit == masked.drawing().unit == "logits" and masked.mask.converged in (True, False)
    assert masked.verification is masked.missed is masked.estimate_drawing() is None and masked.verified == masked.circuit.n_edges
    shown_first_are_its_own(masked)
    model = sonde.load("specimen:words")
    assert masked.circuit.edges == masked.mask.circuit().edges
    sender, receiver = masked.circuit.edges[0]
    row = masked.to_frame().filter(sender=sender, receiver=receiver)["score"][0]
    assert row == pytest.approx(float(exact_edges(model, load("ioi", model, n=16).split()[0], edges=[(sender, receiver)]).values.nan_to_num(0).sum()))
    again = Discovery.load(masked.save(tmp_path / "masked"))
    assert again.mask.over == "nodes" and again.circuit.edges == masked.circuit.edges


def test_what_cannot_be_found_is_refused_in_one_line():
    model = sonde.load("specimen:words")
    task = load("ioi", model, n=8)
    with pytest.raises(InputError, match="choose " + ", ".join(TAKES)):
        discover(model, task, "magic")
    with pytest.raises(InputError, match="give one of them"):
        discover(model, task, "eap", k=3, threshold=1.0)
    for method, needed in (("acdc", "threshold"), ("backwards", "threshold"), ("edge_pruning", "sparsity"), ("subnetwork_probing", "weight")):
        with pytest.raises(InputError, match=f"method='{method}' needs {needed}=: "):
            discover(model, task, method)
    for method, given in (("acdc", "k"), ("exact", "verify"), ("eap", "steps"), ("eap_ig", "sparsity"), ("edge_pruning", "share")):
        with pytest.raises(InputError, match=rf"{given}=7 is not for method='{method}', which takes .*; it is for .*"):
            discover(model, task, method, **{given: 7})
    with pytest.raises(InputError, match="verify=-3: give how many"):
        discover(model, task, "eap", verify=-3)
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
