"""Pictures of circuits: every component at a place of its own, every edge from a lower row to a higher one, at every granularity."""

import pytest
import torch
from circuits.examples import small, words_scores
from tiny_families import build

import sonde
from sonde.access import Graph
from sonde.circuits import Circuit
from sonde.circuits.pictures import Picture, drawn, pair, ranked_graph
from sonde.results.drawing import Curve


@pytest.mark.parametrize(
    ("family", "how"),
    [
        ("gpt2", {}),
        ("gpt2", {"embed": "split", "attention": "layers"}),
        ("gpt2", {"spans": ("subject",)}),
        ("gpt2", {"neurons": (0, 1)}),
        ("llama", {}),
        ("gpt_neox", {}),
        ("gemma2", {}),
    ],
)
def test_every_edge_of_every_graph_has_its_place(family, how):
    model = sonde.load(build(family))
    graph = Graph.of(model, **how)
    whole = Circuit.of(model, graph.edges(), graph)
    data = drawn(whole).data
    assert data["total"] == graph.n_edges and len(data["senders"]) == min(2000, graph.n_edges)
    rows = data["nodes"]["rows"]
    assert min(rows) == 0 and max(rows) == len(Picture(graph).rows) - 1
    layer = dict(zip(data["nodes"]["names"], rows, strict=True))
    for name, block in zip(graph.senders, graph.sender_layer.tolist(), strict=True):
        assert int(layer[name]) == 1 + block


def test_a_shared_key_is_an_input_of_all_its_heads():
    model = sonde.load(build("llama"))
    graph = Graph.of(model)
    assert graph.heads_per_key > 1
    edge = Picture(graph).edge(0, graph.receivers.index("blocks.1.attn.k[kv_head=0]"))
    assert edge.port == "k" and edge.receiver == tuple(f"blocks.1.attn.z[head={h}]" for h in range(graph.heads_per_key))


def test_with_spans_every_position_has_columns_of_its_own():
    """A key or value stands at its position, and feeds its head at all of them; a query only where it is."""
    model = sonde.load(build("llama"))
    graph = Graph.of(model, spans=("subject",))
    picture = Picture(graph)
    data = drawn(Circuit.of(model, graph.edges(), graph)).data
    names, columns, bands = (data["nodes"][key] for key in ("names", "columns", "bands"))
    assert bands["names"] == ["subject", "rest"]
    first, second = ([column for column, band in zip(columns, bands["of"], strict=True) if band == i] for i in (0, 1))
    assert max(first) < min(second) and len(names) == len(set(zip(data["nodes"]["rows"], columns, strict=True)))
    keys = [name for name in graph.receivers if ".attn.k[kv_head=0" in name and "blocks.1" in name]
    fed = [picture.edge(0, graph.receivers.index(name)) for name in keys]
    assert fed[0].receiver == fed[1].receiver and len(fed[0].receiver) == 2 * graph.heads_per_key
    patterns = {source: torch.eye(2) for source in graph.sources if "attn.z" in source}
    looks = ranked_graph("Which?", graph, "logits", [(0, 0, 1.0)], 1, patterns=patterns, tokens=["a", "b"]).data["attention"]
    assert len(looks["heads"]) == 2 * len(patterns)  # at each position
    assert set(fed[0].under) | set(fed[1].under) == set(fed[0].receiver) and not set(fed[0].under) & set(fed[1].under)
    query = next(r for r, name in enumerate(graph.receivers) if ".attn.q[head=0" in name and "blocks.1" in name)
    assert isinstance(picture.edge(0, query).receiver, str) and picture.edge(0, query).under == ()


def test_the_picture_holds_the_edges_in_their_order_with_what_heads_look_at():
    scores = words_scores()
    found = scores.strengths().flatten().argsort(descending=True)[:30].tolist()
    width = len(scores.graph.receivers)
    ranked = [(i // width, i % width, float(scores.values[i // width, i % width])) for i in found]
    patterns = {name: torch.eye(3) for name in scores.graph.senders if "attn" in name}
    curve = Curve("faithfulness", [1, 30], [0.0, 0.9])
    data = ranked_graph("Which?", scores.graph, "logits", ranked, 12, curve, patterns, ["a", "b", "c"]).data
    assert (data["shown"], data["order"], data["curve"]["sizes"]) == (12, "size", [1, 30])  # the strongest first is the order of size
    assert data["scores"] == pytest.approx([score for _, _, score in ranked]) and data["attention"]
    assert data["nodes"]["names"][data["senders"][0]] == scores.graph.senders[ranked[0][0]]


def test_two_circuits_share_what_they_share():
    scores = words_scores()
    large, small_one = scores.top(20, connected=False), scores.top(8, connected=False)
    assert pair(("large", large), ("small", small_one)).data["counts"] == [12, 8, 0]


def test_large_graphs_show_no_idle_components_and_empty_circuits_are_drawn():
    model, graph = small()
    assert len(drawn(Circuit.of(model, [], graph)).data["nodes"]["names"]) == len(graph.senders) + 1
    fine = Graph.of(sonde.load("specimen:words"), neurons=(1,))
    one = Circuit.of(sonde.load("specimen:words"), [("blocks.0.resid_pre", "logits")], fine)
    assert drawn(one).data["nodes"]["names"] == ["blocks.0.resid_pre", "logits"]
