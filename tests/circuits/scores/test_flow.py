"""Shares of what is read, against the definition by plain loops; and what they cannot tell."""

import pytest
import torch
from circuits.scores.test_controls import of_edges
from circuits.scores.test_eap import ids, task_of
from tiny_families import build

import sonde
from sonde.access import Graph
from sonde.circuits import exact_edges, information_flow
from sonde.results import InputError
from sonde.specimens import compiled

CLOSE = {"rtol": 1e-5, "atol": 2e-6}


def sums_to_one(found):
    total = found.values.sum(0)
    torch.testing.assert_close(total, torch.ones_like(total), **CLOSE)
    assert found.values.min() >= 0 and found.unit == "share of what is read"


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gemma2"])
def test_shares_add_up(family):
    found = information_flow(sonde.load(build(family).double()), task_of(ids(0), ids(1)))
    sums_to_one(found)
    assert "ablated" not in found.drawing().note


def test_shares_are_what_the_definition_says():
    """For one receiver, position by position, from what the model itself reads: the embedding, heads' results, MLPs."""
    model = sonde.load(build("gpt2").double())
    graph, task = Graph.of(model), task_of(ids(0), ids(1))
    found = information_flow(model, task, graph)
    sums_to_one(found)
    run = model.run(task.clean, read=["blocks.0.resid_pre", "blocks.0.attn.result", "blocks.0.mlp.out"])
    heads = run["blocks.0.attn.result"].unbind(2)
    terms = [term.detach() for term in (run["blocks.0.resid_pre"], *heads, run["blocks.0.mlp.out"])]  # attention's bias belongs to no head
    names = ["blocks.0.resid_pre", *(f"blocks.0.attn.z[head={h}]" for h in range(len(heads))), "blocks.0.mlp.out"]
    expected = dict.fromkeys(names, 0.0)
    for b in range(3):
        for p in range(6):
            stream = sum(term[b, p] for term in terms)
            near = [max(0.0, float(stream.abs().sum() - (stream - term[b, p]).abs().sum())) for term in terms]
            for name, one in zip(names, near, strict=True):
                expected[name] += one / sum(near) / 18
    into = graph.receivers.index("blocks.1.attn.v[head=0]")
    for name, share in expected.items():
        assert float(found.values[graph.senders.index(name), into]) == pytest.approx(share, rel=1e-5)


def test_company_padding_and_spans_change_nothing():
    model = sonde.load(build("llama").double())
    task = task_of([[1, 2, 3, 4, 5], [6, 7, 8], [9, 8, 7, 6]], [[1, 9, 3, 4, 5], [6, 7, 9], [9, 8, 1, 6]], {"last": ((4,), (2,), (3,))})
    together, alone = (information_flow(model, task, batch_size=size).per_example for size in (3, 1))
    torch.testing.assert_close(together, alone, **CLOSE)
    graph, plain = Graph.of(model, spans=["last"]), Graph.of(model)
    by_span = information_flow(model, task, graph)
    sums_to_one(by_span)
    wide = by_span.per_example.new_zeros(*graph.real.shape, 3)
    wide[graph.real] = by_span.per_example
    at = wide.new_tensor([1 / 5, 1 / 3, 1 / 4])  # the last token's share of each prompt
    mean = at * wide[::2, ::2] + (1 - at) * wide[1::2, 1::2]
    torch.testing.assert_close(mean[plain.real], together, **CLOSE)
    with pytest.raises(InputError, match="batch_size=0"):
        information_flow(model, task, batch_size=0)


def test_what_nobody_reads_has_a_share_as_well():
    """The known failure: in a planted network half of the heads write for nobody. What an ablation changes tells them apart; a share does not."""
    made = compiled.planted(n_layers=3, n_heads=4, d_model=128, seed=0)
    model, task, truth = sonde.load(made.model, made.tokenizer), made.examples(3), made.truth["counterfactual"].edges
    assert of_edges(lambda *given: information_flow(*given), model, task, truth) < 0.9 < of_edges(exact_edges, model, task, truth)
