"""Scores of nodes, and exact effects, against plain forwards; where slopes fail, and what mends it."""

import pytest
import torch
from tiny_families import build
from tiny_models import VOCAB

import sonde
from sonde.access.edges import Graph, Rewiring, outputs
from sonde.circuits.scores import atp, atp_star, eap, eap_ig, exact_edges, exact_nodes, relp, relp_nodes
from sonde.results import InputError, SondeError
from sonde.specimens import compiled
from sonde.tasks import Ablation, LogitDifference, Task

CLOSE = {"rtol": 1e-5, "atol": 2e-6}  # norms of Llama and its kin compute in single precision
PARTS = ["attn.q", "attn.k", "attn.v", "attn.z", "mlp.out"]
SPANS = {"first": ((0, 1), (0, 3), (2, 3)), "last": ((5,), (5,), (5,))}


def task_of(clean: object, corrupt: object, spans: dict | None = None) -> Task:
    """A task of token ids."""
    n = len(clean)
    answers, wrongs = [3, 4, 7, 1][:n], [5, 6, 2, 8][:n]
    sets = [tuple((token,) for token in tokens) for tokens in (answers, wrongs)]
    blank = ("",) * n
    return Task("ids", tuple(map(tuple, clean)), tuple(map(tuple, corrupt)), *sets, LogitDifference(answers, wrongs), blank, blank, spans=spans or {})


def ids(seed: int, n: int = 3, length: int = 6) -> list[list[int]]:
    return torch.randint(1, VOCAB, (n, length), generator=torch.Generator().manual_seed(seed)).tolist()


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request) -> sonde.Model:
    return sonde.load(build(request.param).double())


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(ids(0), ids(1), SPANS)


@pytest.mark.parametrize("positions", ["together", "each", "spans"])
def test_nodes_are_one_hooked_forward_and_one_gradient_each(model, task, positions):
    exact, slopes = exact_nodes(model, task, PARTS, positions), atp(model, task, PARTS, positions)
    read = [f"blocks.{i}.{part}" for i in (0, 1) for part in PARTS]
    clean, run = (model.run(rows, read=read, spans=task.spans) for rows in (task.clean, task.corrupt))
    base = task.metric(clean)
    assert exact.nodes == slopes.nodes and len(set(exact.nodes)) == len(exact.nodes)
    for i in range(0, len(exact.nodes), 5):
        name = exact.nodes[i]
        plain = task.metric(model.run(task.clean, edits=[sonde.Patch(name, run)], spans=task.spans)) - base
        torch.testing.assert_close(exact.per_example[i].double(), plain, rtol=0, atol=1e-6)
        slope = model.grad(task.clean, of=task.metric, at=name, spans=task.spans)[name]
        torch.testing.assert_close(slopes.per_example[i].double(), (slope * (run[name] - clean[name])).flatten(1).sum(1), **CLOSE)
    assert exact.values.abs().max() > 1e-2


@pytest.mark.parametrize("positions", ["together", "each", "spans"])
def test_attention_is_computed_again_with_other_queries_and_keys(model, task, positions):
    """Patterns of hooked forwards, one for each query or key node, times the slope at the pattern."""
    found = atp_star(model, task, ["attn.q", "attn.k"], positions, drop=False)
    read = [f"blocks.{i}.attn.{part}" for i in (0, 1) for part in ("q", "k", "pattern")]
    clean, run = (model.run(rows, read=read, spans=task.spans) for rows in (task.clean, task.corrupt))
    for i in range(0, len(found.nodes), 3):
        name = found.nodes[i]
        pattern = f"{name.split('.attn')[0]}.attn.pattern"
        other = model.run(task.clean, read=pattern, edits=[sonde.Patch(name, run)], spans=task.spans)[pattern]
        slope = model.grad(task.clean, of=task.metric, at=pattern)[pattern]
        torch.testing.assert_close(found.per_example[i].double(), ((other - clean[pattern]) * slope).sum((1, 2, 3)).double(), **CLOSE)


def test_slopes_with_each_layer_dropped():
    model, task = sonde.load(build("gpt2").double()), task_of(ids(0), ids(1))
    found = atp_star(model, task, ["attn.v", "mlp.out"])
    clean, run = (model.run(rows, read=["blocks.0.attn.v", "blocks.0.mlp.out"]) for rows in (task.clean, task.corrupt))
    # of two layers, a node of the first is left with what does not go through the second
    held = [sonde.Detach("blocks.1.attn.out"), sonde.Detach("blocks.1.mlp.out")]
    slopes = model.grad(task.clean, of=task.metric, at=["blocks.0.attn.v", "blocks.0.mlp.out"], edits=held)
    for name in ("blocks.0.attn.v[head=1]", "blocks.0.mlp.out"):
        expected = (slopes[name] * (run[name] - clean[name])).flatten(1).sum(1).abs()
        torch.testing.assert_close(found.per_example[found.nodes.index(name)], expected)
    assert not found.signed and (found.values >= 0).all()


def test_a_query_that_a_saturated_softmax_hides_from_slopes():
    """Keys and queries so long that every pattern is one-hot: slopes see no query, attention computed again does."""
    module = build("gpt2").double()
    with torch.no_grad():
        for block in module.transformer.h:
            block.attn.c_attn.weight[:, : 2 * module.config.n_embd] *= 300
    model, task = sonde.load(module), task_of(ids(0), ids(1))
    parts = ["attn.q", "attn.k"]
    exact, plain, mended = exact_nodes(model, task, parts), atp(model, task, parts), atp_star(model, task, parts, drop=False)
    worst = exact.values.abs().argmax()
    assert exact.values[worst].abs() > 0.05
    assert plain.values[worst].abs() < 1e-3 * exact.values[worst].abs()
    assert mended.values[worst].abs() > 0.1 * exact.values[worst].abs()
    error = [(scores.values - exact.values).abs().mean() for scores in (plain, mended)]
    assert error[1] < error[0]


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_relevance_is_the_slope_of_a_model_made_linear(family):
    """A sum of edges: what a node reads in the counterfactual less in the prompt, times its relevance, is the sum of the edges into it."""
    model, task = sonde.load(build(family).double()), task_of(ids(0), ids(1))
    graph = Graph.of(model)
    edges, nodes = relp(model, task, graph), relp_nodes(model, task)
    # a node's score is that of all that it feeds: of the edges that leave it and lead on, in a linear model
    into = [r for r, name in enumerate(graph.receivers) if ".attn.q" in name or ".attn.k" in name]
    assert (edges.values[:, into] == 0).all() and edges.norm == "frozen"
    for name in nodes.nodes:
        leaving = edges.per_example[graph.real.nonzero()[:, 0] == graph.senders.index(name)].sum(0)
        torch.testing.assert_close(nodes.per_example[nodes.nodes.index(name)], leaving, **CLOSE)


def test_exact_edges_by_pieces_and_after_an_interruption(tmp_path, monkeypatch):
    model, task = sonde.load(build("llama").double()), task_of(ids(0), ids(1))
    graph = Graph.of(model)
    expected = Rewiring(model, graph, task.clean, outputs(model, graph, task.corrupt).values, task.metric).effects()
    found = exact_edges(model, task, graph, batch_size=2, folder=tmp_path / "run")
    torch.testing.assert_close(found.per_example.double(), expected, rtol=0, atol=1e-6)
    pieces = sorted(tmp_path.glob("run/*"))
    last = pieces[-1]
    for file in last.iterdir():
        file.unlink()
    last.rmdir()
    calls = []
    effects = Rewiring.effects
    monkeypatch.setattr(Rewiring, "effects", lambda self, *given: calls.append(1) or effects(self, *given))
    again = exact_edges(model, task, graph, batch_size=2, folder=tmp_path / "run")
    assert torch.equal(again.per_example, found.per_example) and len(calls) == 1
    with pytest.raises(SondeError, match="another job"):
        exact_edges(model, task, graph, Ablation("zero"), folder=tmp_path / "run")
    some = graph.mask([("blocks.0.mlp.out", "logits"), ("blocks.0.attn.z[head=1]", "blocks.1.mlp.in")])
    few = exact_edges(model, task, graph, edges=some)
    assert few.n_scored == 2 and torch.equal(few.values[some], found.values[some])
    constants = torch.zeros(len(graph.sources), 1, 1, model.d_model)
    learnt = exact_edges(model, task, graph, Ablation("optimal"), constants=constants)
    torch.testing.assert_close(learnt.values, exact_edges(model, task, graph, Ablation("zero")).values)


def test_an_or_gate_has_no_exact_effect_of_a_single_edge():
    """Either part is enough: without one the other answers, so each edge's effect alone is nothing, and slopes see nothing; both together are all."""
    made = compiled.build("or_gate")
    model, task = sonde.Model(made.model.double(), made.tokenizer), made.examples(5)
    graph = Graph.of(model, embed="split")
    truth = compiled.Ablation(made.model, task, "counterfactual").effects()
    exact = exact_edges(model, task, graph)
    expected = torch.stack([truth[graph.senders[s], graph.receivers[r]].mean() for s, r in graph.real.nonzero().tolist()])
    torch.testing.assert_close(exact.values[graph.real].double(), expected.double(), rtol=0, atol=1e-6)
    either = [(f"blocks.0.attn.z[head={h}]", "blocks.0.mlp.in") for h in (0, 2)]
    gate = graph.mask(either)
    assert exact.values[gate].abs().max() < 1e-6 and eap(model, task, graph).values[gate].abs().max() < 1e-6
    both = Rewiring(model, graph, task.clean, outputs(model, graph, task.corrupt).values, task.metric).values((graph.real & ~gate)[None])
    assert float((both[0] - task.metric(model.run(task.clean))).mean()) == pytest.approx(-20, abs=1e-3)
    # on the way from one prompt to the other both go together
    assert (eap_ig(model, task, graph, steps=20).values[gate] < -10).all()


@pytest.mark.parametrize("method", [atp, atp_star, exact_nodes, relp_nodes])
def test_the_same_prompts_give_exactly_nothing_and_company_changes_nothing(method):
    module = build("llama")
    assert (method(sonde.load(module), task_of(ids(0), ids(0))).per_example == 0).all()
    model = sonde.load(build("llama").double())
    task = task_of([[1, 2, 3, 4, 5], [6, 7, 8], [9, 8, 7, 6]], [[1, 9, 3, 4, 5], [6, 7, 9], [9, 8, 1, 6]])
    together = method(model, task).per_example
    torch.testing.assert_close(method(model, task.select([1, 0]), batch_size=1).per_example, together[:, [1, 0]], **CLOSE)
    torch.testing.assert_close(
        method(model, task, ablation=Ablation("zero"), batch_size=2).values, method(model, task, ablation=Ablation("zero")).values, **CLOSE
    )


def test_bad_input_is_named():
    model, task = sonde.load(build("gpt2")), task_of(ids(0), ids(1))
    with pytest.raises(SondeError, match=r"attn\.y"):
        atp(model, task, ["attn.y"])
    with pytest.raises(InputError, match="positions='all'"):
        atp(model, task, positions="all")
    with pytest.raises(InputError, match="names no spans"):
        exact_nodes(model, task, positions="spans")
    with pytest.raises(InputError, match="differ in length"):
        atp(model, task_of([[1, 2], [1, 2, 3]], [[2, 2], [2, 2, 3]]), positions="each")
    with pytest.raises(InputError, match="no edges to score"):
        exact_edges(model, task, edges=[])
    with pytest.raises(InputError, match="optimal"):
        exact_edges(model, task, ablation=Ablation("optimal"))
    with pytest.raises(InputError, match="k=0"):
        atp(model, task).top(0)
