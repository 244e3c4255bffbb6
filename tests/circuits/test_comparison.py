"""Two circuits side by side, and parts that two tasks share."""

import math

import pytest
import torch
from circuits.examples import scored, small, words, words_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.circuits import Circuit, compare, reuse


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_by_chance_is_hypergeometric(seed):
    model, graph = small()
    generator = torch.Generator().manual_seed(seed)
    edges = graph.edges()
    a, b = ([edges[i] for i in torch.randperm(len(edges), generator=generator)[:n].tolist()] for n in (20, 30))
    found = compare(Circuit.of(model, a, graph), Circuit.of(model, b, graph))
    uniform, layers, degrees, *nodes = found.overlaps
    shared = len(set(a) & set(b))
    assert uniform.shared == layers.shared == degrees.shared == shared and uniform.jaccard == shared / (50 - shared)
    n = len(edges)
    expected = sum(math.comb(30, i) * math.comb(n - 30, 20 - i) for i in range(shared, 21)) / math.comb(n, 20)
    assert uniform.p == pytest.approx(expected) and uniform.expected == pytest.approx(20 * 30 / n)
    assert 0 < layers.p <= 1 + 1e-9 and {one.level for one in nodes} == {"nodes"}
    # among random sets degrees explain little more than size does, and the draws differ from one another
    assert 0.5 < degrees.expected / uniform.expected < 4 and degrees.expected % 1 > 0


def test_layers_explain_what_layers_do():
    """Two sets that fill the same layer share much, and no more than any two in that layer."""
    model, graph, _ = words()
    late = [edge for edge in graph.edges() if edge[0].startswith("blocks.2") and edge[1].startswith("blocks.3")]
    a, b = Circuit.of(model, late[::2], graph), Circuit.of(model, [*late[: len(late) // 2]], graph)
    found = compare(a, b, names=("a", "b"))
    uniform, layers = found.overlaps[:2]
    assert uniform.p < 1e-3 < 0.05 < layers.p
    assert found.weighted is None and len(found.to_frame()) == 5
    assert found.drawing().to_json()["kind"] == "circuit_pair" and len(found.table().data["rows"]) == 5
    mine = words_scores()
    assert compare(mine.top(30), mine.top(30)).weighted == pytest.approx(1)
    assert 0 < compare(mine.top(30), mine.top(60)).weighted < 1


def test_reuse():
    model, _, _ = words()
    scores = words_scores()
    same = reuse(scores, scores, 40, n=20)
    assert same.share == 1 and same.high == 1 and same.expected < 1 and not same.shared[1]
    noise = scored(model, scores.graph, torch.randn(scores.per_example.shape, generator=torch.Generator().manual_seed(0)), scores.conditions)
    other = reuse(scores, noise, 20, n=20)
    assert other.share < 1 and other.low <= other.share + 0.3 and len(other.to_frame()) == 1 and other.drawing().data["labels"]
