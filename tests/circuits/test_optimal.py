"""Optimal constants: never worse than the mean and zero, and where the best constant is known it is found."""

import pytest
import torch

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit, acdc, optimal_constants, rewire
from sonde.results import InputError
from sonde.tasks import Ablation, Task
from sonde.tasks.pair import Pair


@pytest.fixture(scope="module")
def sentences():
    model = sonde.load("specimen:words")
    return model, sonde.tasks.load("agreement", model, n=4), Graph.of(model)


def test_never_worse_than_the_mean_and_zero(sentences):
    model, task, graph = sentences
    circuit = Circuit(
        graph,
        graph.real & (torch.rand(graph.real.shape, generator=torch.Generator().manual_seed(0)) < 0.6),
        "random",
        recipe=Circuit.of(model, []).recipe,
    )
    found = optimal_constants(model, task, circuit, steps=8)
    assert found.learnt <= min(found.mean, found.zero) and found.learnt < found.mean
    assert found.intact == pytest.approx(0, abs=1e-6)  # of the divergence from itself
    # the figures are those of the evaluation
    values = rewire(model, graph, task, Ablation("zero")).values(circuit.mask[None])
    constant = rewire(model, graph, task, Ablation("optimal"), constants=found.values).values(circuit.mask[None])
    assert values.shape == constant.shape and found.conditions.ablation == Ablation("optimal")
    assert found.to_frame().height == 4 and found.drawing().kind == "lines"


def test_the_best_constant_of_a_linear_model():
    """One vector goes to the logits; under squared error the best constant is the mean of what the source puts out at the last token."""

    def squared(run):
        return ((run.logits_at(-1) - whole[: run.logits_at(-1).shape[0]]) ** 2).sum(-1)

    squared.select = lambda rows: squared
    squared.better = "less"
    from sonde.nn import Transformer, TransformerConfig

    module = Transformer(
        TransformerConfig(n_layers=1, n_heads=1, d_model=4, d_vocab=9, n_ctx=4, d_mlp=0, norm=None, tied=False, positional=None)
    ).double()
    model = sonde.Model(module)
    rows = torch.randint(1, 9, (6, 3), generator=torch.Generator().manual_seed(0)).tolist()
    task = Task.of([Pair("", "", (1,), (2,), tuple(row), tuple(row[::-1])) for row in rows], "linear").with_metric(squared)
    whole = model.run(task.clean).last_logits
    graph = Graph.of(model)
    circuit = Circuit.of(model, [edge for edge in graph.edges() if edge != ("blocks.0.resid_pre", "logits")], graph)
    found = optimal_constants(model, task, circuit, metric=None, steps=150, rate=0.1)
    last = model.run(task.clean, read="blocks.0.resid_pre")["blocks.0.resid_pre"][:, -1]
    expected = ((last - last.mean(0)) @ model.module.unembed.weight.detach().T).square().sum(-1).mean()
    assert found.learnt == pytest.approx(float(expected), rel=1e-3) and found.learnt < found.zero
    assert found.converged
    # and a search takes them for what dropped edges carry
    searched = acdc(model, task, 1e-6, graph, Ablation("optimal"), constants=found.values)
    assert ("blocks.0.resid_pre", "logits") in searched.circuit.edges and searched.circuit.conditions.ablation.kind == "optimal"


def test_constants_for_any_circuit(sentences):
    model, task, _ = sentences
    found = optimal_constants(model, task, steps=3)
    assert found.learnt <= min(found.mean, found.zero) and found.circuit == "any circuit"


def test_bad_input(sentences):
    model, task, graph = sentences
    with pytest.raises(InputError, match="nothing is ablated"):
        optimal_constants(model, task, Circuit.of(model, graph.edges(), graph))
    with pytest.raises(InputError, match="at least one step"):
        optimal_constants(model, task, steps=0)
    with pytest.raises(InputError, match="different graphs"):
        optimal_constants(model, task, Circuit.of(model, [], graph), Graph.of(model, attention="layers"))
