"""Circuits from the logits backwards: a network whose circuit was written down, step by step and in one go."""

import pytest
import torch

import sonde
from sonde.access import Graph
from sonde.circuits import Backwards, backwards, rewire
from sonde.results import InputError
from sonde.specimens import compiled
from sonde.tasks import Ablation


@pytest.fixture(scope="module")
def induction():
    made = compiled.build("induction")
    made.model.double()
    model = sonde.Model(made.model, made.tokenizer)
    return model, made.examples(4), Graph.of(model, embed="split"), made


@pytest.mark.parametrize("kind", ["counterfactual", "zero"])
@pytest.mark.parametrize("measure", ["edges", "together"])
def test_the_circuit_is_found(induction, kind, measure):
    model, task, graph, made = induction
    truth = made.truth[kind].edges
    found = set(backwards(model, task, threshold=0.01, measure=measure, graph=graph, ablation=Ablation(kind)).edges)
    if measure == "edges":
        assert found == truth
    else:  # a sender's edges into all of a step's receivers are kept together
        assert truth <= found and {sender for sender, _ in found} == {sender for sender, _ in truth}


def test_steps(induction):
    model, task, graph, made = induction
    search = Backwards(model, task, threshold=0.01, graph=graph)
    first = search.step()
    match, previous = made.heads["induction"], made.heads["previous_token"]
    assert first.kept == ((match.z, "logits"),) and first.receivers == ("logits",)
    assert search.receivers == (match.q, match.k, match.v)
    frame = first.to_frame()
    assert frame["sender"][0] == match.z and frame["kept"].sum() == 1 and "what acts on logits" in repr(first)
    effects = rewire(model, graph, task).effects(graph.mask([(match.z, "logits")]))
    assert frame["effect"][0] == pytest.approx(float(effects.mean())) and frame["effect"][0] < 0
    second = search.step(keep=[previous.z])
    assert {sender for sender, _ in second.kept} == {previous.z}
    assert search.receivers == (previous.q, previous.k, previous.v)
    with pytest.raises(InputError, match="does not act on"):
        search.step(keep=["logits"])
    assert search.run().n_edges == search.mask.sum() and search.receivers == ()
    with pytest.raises(InputError, match="come to its end"):
        search.step()


def test_a_share_of_the_candidates(induction):
    model, task, graph, _ = induction
    step = Backwards(model, task, share=0.1, graph=graph).step()
    assert len(step.kept) == 1  # of eleven senders


def test_twins_have_nothing(induction):
    """The control: where the counterfactual is the prompt itself no edge does anything, and nothing is kept."""
    model, task, graph, _ = induction
    with pytest.raises(InputError, match="the largest effect was 0"):
        backwards(model, task_of_twins(task), threshold=0.01, graph=graph)


def task_of_twins(task):
    from dataclasses import replace

    return replace(task, corrupt=task.clean, corrupt_texts=task.texts)


def test_bad_input(induction):
    model, task, graph, _ = induction
    with pytest.raises(InputError, match=r"either threshold= .* or share="):
        Backwards(model, task, graph=graph)
    with pytest.raises(InputError, match="either"):
        Backwards(model, task, threshold=0.1, share=0.1, graph=graph)
    with pytest.raises(InputError, match="a threshold is above zero"):
        Backwards(model, task, threshold=-1.0, graph=graph)
    with pytest.raises(InputError, match=r"share=1\.5: give a share"):
        Backwards(model, task, share=1.5, graph=graph)
    with pytest.raises(InputError, match="use 'edges' or 'together'"):
        Backwards(model, task, threshold=1.0, measure="paths", graph=graph)
    with pytest.raises(InputError, match="nothing is kept: step first"):
        Backwards(model, task, threshold=1.0, graph=graph).circuit()
    assert torch.equal(Backwards(model, task, threshold=1.0, graph=graph).mask, torch.zeros_like(graph.real))
