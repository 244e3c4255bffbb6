"""The walk by itself, on metrics that are made up: whatever is guessed, the decisions are those of the plain walk."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.access import Graph, Part
from sonde.circuits.visiting import visiting
from sonde.circuits.waves import Walk


def small():
    """Two blocks of one head and one MLP."""
    sending, receiving, inputs = [Part("embed", -1, -1, ("embed",), "embed")], [], [()]
    for i in range(2):
        first = len(receiving)
        receiving += [Part(kind, i, 2 * i, (f"{kind}{i}",), f"{kind}{i}") for kind in "qkv"] + [Part("mlp", i, 2 * i + 1, (f"in{i}",), f"in{i}")]
        sending += [Part("head", i, 2 * i, (f"z{i}",), f"z{i}"), Part("mlp", i, 2 * i + 1, (f"out{i}",), f"out{i}")]
        inputs += [tuple(range(first, first + 3)), (first + 3,)]
    receiving.append(Part("logits", 2, 4, ("logits",), "logits"))
    return Graph(tuple(sending), tuple(receiving), (*inputs,))


GRAPH = small()


def metric(seed):
    """Any function of the edges that lead to the logits."""
    weights = torch.randn(GRAPH.real.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def values(masks):
        masks = masks & GRAPH.real & GRAPH.live(masks)[1][:, None, :]
        return [float(torch.sin(3 * weights[mask].sum()) + weights[mask].sum()) for mask in masks]

    return values


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 3.0]), st.sampled_from(["topological", "random"]), st.integers(0, 12))
def test_walks_agree(seed, threshold, order, resumed):
    values, visits = metric(seed), visiting(GRAPH, order, seed)
    guess = torch.rand(GRAPH.real.shape, generator=torch.Generator().manual_seed(seed)) < 0.4
    whole = values(GRAPH.real[None])[0]
    kept, current, changes = GRAPH.real.clone(), whole, []
    for s, r in visits.tolist():
        without = kept.clone()
        without[s, r] = False
        value = values(without[None])[0]
        changes.append(value - current)
        if -changes[-1] < threshold:
            kept, current = without, value

    def walk():
        return Walk(GRAPH, visits, lambda change: -change < threshold, values, whole, torch.zeros(len(GRAPH.senders), dtype=torch.bool), guess)

    first = walk()
    waves = list(first.waves())
    assert torch.equal(first.kept, kept) and [change for wave in waves for change in wave.changes] == changes
    second = walk()
    assert list(second.waves(waves[:resumed])) == waves[resumed:] and torch.equal(second.kept, kept)


def test_what_carries_the_same_costs_nothing():
    asked = []

    def values(masks):
        asked.append(len(masks))
        return [0.0] * len(masks)

    same = torch.ones(len(GRAPH.senders), dtype=torch.bool)
    walk = Walk(GRAPH, visiting(GRAPH), lambda change: change < 1, values, 0.0, same, torch.zeros_like(GRAPH.real))
    (wave,) = walk.waves()
    assert not asked and all(wave.dropped) and len(wave.changes) == GRAPH.n_edges
    # in any other order what lies before a sender may have changed, so it no longer carries the same
    walk = Walk(GRAPH, visiting(GRAPH, "random"), lambda change: change < 1, values, 0.0, same, torch.zeros_like(GRAPH.real))
    assert sum(wave.states for wave in walk.waves()) > 0
