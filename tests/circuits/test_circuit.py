"""Sets of edges: algebra, pruning, sizes, names, files."""

import json

import pytest
import torch
from circuits.examples import small, words, words_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_families import build

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit, EdgeScores, rewire
from sonde.circuits.nodes import pruned, reached
from sonde.results import CheckRefused, InputError, LoadError
from sonde.tasks import Ablation

SEEDS = st.integers(0, 2**20)


def circuit(seed: int, share: float = 0.3) -> Circuit:
    model, graph = small()
    mask = (torch.rand(graph.real.shape, generator=torch.Generator().manual_seed(seed)) < share) & graph.real
    return Circuit.of(model, graph.edges(mask), graph, method=f"random {seed}")


@settings(max_examples=20, deadline=None)
@given(SEEDS, SEEDS)
def test_algebra_is_that_of_sets(one, other):
    a, b = circuit(one), circuit(other, 0.5)
    sets = {c: set(c.edges) for c in (a, b)}
    assert set((a & b).edges) == sets[a] & sets[b]
    assert set((a | b).edges) == sets[a] | sets[b]
    assert set((a - b).edges) == sets[a] - sets[b]
    assert set((~a).edges) == set(a.graph.edges()) - sets[a]
    assert torch.equal((~~a).mask, a.mask) and torch.equal((~(a | b)).mask, (~a & ~b).mask)
    assert len(a) == len(sets[a]) == a.n_edges


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0, 0.6))
def test_pruning_leaves_what_lies_on_a_path(seed, share):
    """Against the plain definition: walk from the embedding, walk back from the logits, edge by edge."""
    whole = circuit(seed, share)
    graph = whole.graph
    owner = {r: {graph.senders[s] for s in graph.feeds[i].nonzero()[:, 0].tolist()} for i, r in enumerate(graph.receivers)}
    from_start, to_end = {"blocks.0.resid_pre"}, {"logits"}
    for _ in graph.senders:
        from_start |= {s for u, v in whole.edges if u in from_start for s in owner[v]}
        to_end |= {r for r, made in owner.items() if made & {u for u, v in whole.edges if v in to_end}}
    assert set(whole.prune().edges) == {(u, v) for u, v in whole.edges if u in from_start and v in to_end}
    assert torch.equal(whole.prune().mask, whole.prune().prune().mask)
    assert torch.equal(pruned(graph, whole.mask[None])[0], whole.prune().mask)
    assert whole.prune().nominal == whole.n_edges and whole.nominal is None
    assert torch.equal(reached(graph, torch.stack([whole.mask, graph.real]))[0], reached(graph, whole.mask))


def test_pruning_changes_no_metric_where_one_other_run_is_carried():
    """With constants it may: a part without intact inputs then computes something else than what is carried."""
    model, graph, task = words()
    mask = (torch.rand(graph.real.shape, generator=torch.Generator().manual_seed(3)) < 0.2) & graph.real
    whole = Circuit.of(model, graph.edges(mask), graph)
    both = torch.stack([whole.mask, whole.prune().mask])
    assert whole.prune().n_edges < whole.n_edges
    for kind in ("counterfactual", "resample"):
        values = rewire(model, graph, task, Ablation(kind)).values(both)
        torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-4)
    values = rewire(model, graph, task, Ablation("zero")).values(both)
    assert (values[0] - values[1]).abs().max() > 1e-3


def test_nodes_and_heads():
    model, graph, _ = words()
    one = Circuit.of(model, [("blocks.0.resid_pre", "blocks.1.attn.k[head=2]"), ("blocks.1.attn.z[head=2]", "logits")])
    assert one.nodes == ("blocks.0.resid_pre", "blocks.1.attn.z[head=2]", "logits") and one.heads == ((1, 2),)
    assert one.prune().n_edges == 2 and one.without([("blocks.1.attn.z[head=2]", "logits")]).prune().n_edges == 0
    assert Circuit.of(model, [("blocks.1.attn.z[head=2]", "logits")]).prune().n_edges == 0  # from nowhere
    spans = Graph.of(model, spans=["changed"])
    placed = Circuit.of(model, spans.edges(spans.real), spans)
    assert len(placed.heads) == model.n_layers * model.n_heads
    assert placed.size == pytest.approx(graph.n_edges) and placed.n_edges == 2 * graph.n_edges


def test_an_edge_between_neurons_counts_for_its_share():
    model = sonde.load(build("gpt2"))
    whole, divided = Graph.of(model), Graph.of(model, neurons=[0, 1])
    everything = Circuit.of(model, divided.edges(), divided)
    assert everything.n_edges > whole.n_edges and everything.size == pytest.approx(whole.n_edges)
    assert Circuit.of(model, whole.edges(), whole).size == whole.n_edges


def test_circuits_of_other_graphs_are_refused():
    model, graph, _ = words()
    other = Graph.of(model, attention="layers")
    with pytest.raises(InputError, match="of different graphs"):
        Circuit.of(model, graph.edges(), graph) & Circuit.of(model, other.edges(), other)
    mine = Circuit.of(model, graph.edges()[:50], graph)
    assert len(mine & Circuit.of(model, Graph.of(model).edges())) == 50  # the same graph, made twice
    with pytest.raises(InputError, match="is no edge of this graph"):
        Circuit.of(model, [("logits", "blocks.0.mlp.in")])


def test_names_in_json_and_back(tmp_path):
    model, _, _ = words()
    found = words_scores().top(25)
    file = found.to_json(tmp_path / "found.json")
    again = Circuit.from_json(file, model)
    assert torch.equal(again.mask, found.mask) and again.method == found.method
    torch.testing.assert_close(again.weights[again.mask], found.weights[found.mask])
    content = json.loads(file.read_text())
    assert content["measured"] == str(found.conditions) and len(content["edges"]) == found.n_edges
    assert [abs(row[2]) for row in content["edges"]] == sorted((abs(row[2]) for row in content["edges"]), reverse=True)
    by_hand = tmp_path / "hand.json"
    by_hand.write_text('{"edges": [["blocks.0.resid_pre", "logits"]]}')
    assert Circuit.from_json(by_hand, model).edges == [("blocks.0.resid_pre", "logits")]
    with pytest.raises(InputError, match=r"give the same arguments to Graph\.of"):
        Circuit.from_json(file, model, Graph.of(model, embed="split"))
    for text, why in (("[", "is no circuit in JSON"), ('{"edges": [["a"]]}', "is no circuit: give"), ("[]", "is no circuit: give")):
        by_hand.write_text(text)
        with pytest.raises(LoadError, match=why):
            Circuit.from_json(by_hand, model)
    with pytest.raises(LoadError, match=r"missing\.json is no circuit in JSON"):
        Circuit.from_json(tmp_path / "missing.json", model)


def test_results_are_kept(tmp_path):
    scores = words_scores()
    again = EdgeScores.load(scores.save(tmp_path / "scores"))
    assert again.graph.hash == scores.graph.hash and torch.equal(again.values, scores.values) and again.conditions == scores.conditions
    found = Circuit.load(scores.top(10).save(tmp_path / "found"))
    assert found.edges == scores.top(10).edges and "10 strongest" in repr(found)
    assert len(found.to_frame()) == found.n_edges and found.drawing().to_json()["kind"] == "circuit_graph"


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_mib_file(family, tmp_path):
    """Heads by their own names; a key or value that two heads share is written for each of them."""
    model = sonde.load(build(family))
    graph = Graph.of(model)
    found = Circuit.of(model, graph.edges()[:4], graph)
    content = json.loads(found.to_mib(model, tmp_path / "mib.json").read_text())
    heads, layers = model.n_heads, model.n_layers
    assert content["cfg"] == {"n_layers": layers, "n_heads": heads, "parallel_attn_mlp": family == "gpt_neox", "d_model": model.d_model}
    assert list(content["nodes"]) == ["input", *(name for i in range(layers) for name in [*(f"a{i}.h{h}" for h in range(heads)), f"m{i}"]), "logits"]
    senders = 1
    count = 0
    for _ in range(layers):
        count += 3 * heads * senders + senders + (0 if family == "gpt_neox" else heads)
        senders += heads + 1
    assert len(content["edges"]) == count + senders
    assert content["edges"][f"a0.h1->a1.h{heads - 1}<v>"] == {"score": 0.0, "in_graph": False}
    assert {edge["in_graph"] for edge in content["edges"].values()} == {True, False}


def test_what_mib_cannot_hold_is_refused(tmp_path):
    model, graph, _ = words()
    found = words_scores()
    edges = json.loads(found.to_mib(model, tmp_path / "scores.json").read_text())["edges"]
    s, r = (found.values == found.values[graph.real].min()).nonzero()[0].tolist()
    assert max(edge["score"] for edge in edges.values()) == pytest.approx(-float(found.values[s, r]))  # what matters most is largest there
    with pytest.raises(InputError, match=r"pickles, which run code .* name it \.json"):
        found.to_mib(model, tmp_path / "scores.pt")
    split = Graph.of(model, embed="split")
    with pytest.raises(InputError, match="embed='joint'"):
        Circuit.of(model, split.edges(), split).to_mib(model, tmp_path / "split.json")
    layers = Graph.of(model, attention="layers")
    with pytest.raises(InputError, match="MIB knows heads"):
        Circuit.of(model, layers.edges(), layers).to_mib(model, tmp_path / "layers.json")
    with pytest.raises(CheckRefused):
        found.to_mib(sonde.load(build("gpt2")), tmp_path / "other.json")
