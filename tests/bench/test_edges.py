"""The circuits' jobs: the numbering is that of sonde's graph, what stands for all edges adds up to them, and what is done by hand is right."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import sonde
from bench.subjects import auto_circuit, by_hand, sonde_edges
from bench.subjects import edges as e
from bench.subjects import workload as w
from sonde.access.edges import Graph, Rewiring, outputs
from sonde.tasks import LogitDifference

ALL = [edge for layer in range(w.LAYERS + 1) for edge in e.into(layer)]


@pytest.fixture
def narrow(monkeypatch):
    """The benchmark's model with heads of two dimensions, in double precision."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(n_embd=24, vocab_size=300, initializer_range=0.3)).eval().requires_grad_(False).double()
    for name, value in (("D_MODEL", 24), ("D_HEAD", 2), ("VOCAB", 300), ("model", lambda *_: model)):
        monkeypatch.setattr(w, name, value)
    return model


def test_edges_are_those_of_the_graph(narrow):
    real = Graph.of(sonde.load(narrow)).real
    assert len(ALL) == len(set(ALL)) == real.sum() == 32491
    assert real.shape == (e.SENDERS, e.RECEIVERS) and all(real[edge] for edge in ALL)


@pytest.mark.parametrize("strata", [e.strata(3), sonde_edges._calls(), auto_circuit._together()], ids=["one by one", "sonde", "auto-circuit"])
def test_samples_stand_for_every_edge(strata):
    held = [(stratum, 1 if isinstance(cell, e.Edge) else len(cell)) for stratum in strata for cell in stratum.cells]
    assert sum(size * stratum.of / len(stratum.cells) for stratum, size in held) == pytest.approx(len(ALL), rel=0.01)


def test_circuits_have_their_sizes(narrow):
    scores = torch.rand(e.SENDERS, e.RECEIVERS, dtype=torch.double)
    circuits = e.kept(scores)
    assert circuits.sum((1, 2)).tolist() == e.counts() == [32, 64, 162, 324, 649, 1624, 3249, 6498, 16245, 32491]
    assert all((circuits[i] <= circuits[i + 1]).all() for i in range(len(circuits) - 1))


def test_by_hand_is_the_model_with_all_edges_and_with_none(narrow):
    hand, (clean, corrupt) = by_hand.ByHand("cpu"), e.pairs(2, "cpu")
    carried = hand.outputs(corrupt)
    kept = torch.ones(e.SENDERS, e.RECEIVERS, dtype=torch.bool)
    for mask, ids in ((kept, clean), (~kept, corrupt)):
        torch.testing.assert_close(hand.metric(hand.rewired(clean, carried, mask)), w.difference(narrow(ids).logits))
    kept[torch.rand(kept.shape) < 0.3] = False
    model = sonde.load(narrow)
    graph = Graph.of(model)
    rewiring = Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, LogitDifference(w.TARGET, w.FOIL))
    torch.testing.assert_close(hand.metric(hand.rewired(clean, carried, kept)), rewiring.values(kept[None])[0])


def test_scores_by_hand_are_slopes_of_soft_masks(narrow):
    hand, (clean, corrupt) = by_hand.ByHand("cpu"), e.pairs(2, "cpu")
    model = sonde.load(narrow)
    graph = Graph.of(model)
    kept = graph.real.double().requires_grad_()
    metric = Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, LogitDifference(w.TARGET, w.FOIL)).soft(kept).mean()
    (slopes,) = torch.autograd.grad(metric, kept)
    torch.testing.assert_close(hand.scores(hand.embedded(clean), hand.outputs(corrupt))[graph.real], -slopes[graph.real])
