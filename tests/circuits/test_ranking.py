"""From scores to circuits."""

import math

import pytest
import torch
from circuits.examples import words_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.circuits import EdgeScores
from sonde.circuits.ranking import greedily, strengths
from sonde.results import InputError, Recipe


def with_values(seed: int) -> EdgeScores:
    """Random scores in place of measured ones."""
    known = words_scores()
    values = torch.randn(known.values.shape, generator=torch.Generator().manual_seed(seed)) * known.graph.real
    return EdgeScores(known.graph, values, "random", known.conditions, recipe=known.recipe)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 479), st.booleans())
def test_the_strongest(seed, k, signed):
    scores = with_values(seed)
    graph, found = scores.graph, scores.top(k, signed=signed, connected=False)
    worth = {edge: float(v) for edge, v in zip(graph.edges(), scores.values.T[graph.real.T], strict=True)}
    key = (lambda e: worth[e]) if signed else (lambda e: -abs(worth[e]))  # more is better, so what ablation lowers most comes first
    assert set(found.edges) == set(sorted(worth, key=key)[:k]) and found.nominal == k
    assert scores.top(k, signed).edges == found.prune().edges and scores.top(k, signed).nominal == k


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200))
def test_greedy_adds_the_best_edge_into_what_is_connected(seed, k):
    """Against the plain definition: look through all edges at every step."""
    scores = with_values(seed)
    graph, worth = scores.graph, scores.values.abs()
    kept, open_ = torch.zeros_like(graph.real), torch.zeros(len(graph.receivers), dtype=torch.bool)
    open_[-1] = True
    for _ in range(k):
        free = (graph.real & ~kept & open_[None]).nonzero().tolist()
        s, r = max(free, key=lambda e: float(worth[e[0], e[1]]))
        kept[s, r] = True
        open_ |= graph.feeds[:, s]
    assert torch.equal(scores.greedy(k, connected=False).mask, kept)
    assert graph.live(kept)[1][kept.any(0)].all()  # all of it leads to the logits


def test_a_loss_is_turned_round():
    """Where less is better the edges that carry the answer have positive scores, and come first with signs."""
    known = words_scores()
    values = known.values.masked_fill(~known.graph.real, float("nan"))
    assert torch.equal(strengths(known.graph, values, True, 1).argmax(), values.nan_to_num(1e9).argmin())
    assert torch.equal(strengths(known.graph, values, True, -1).argmax(), values.nan_to_num(-1e9).argmax())


def test_thresholds():
    scores = words_scores()
    whole = scores.threshold(0.0, connected=False)
    assert whole.n_edges == scores.graph.n_edges
    some = scores.threshold(0.01, connected=False)
    assert (scores.values[some.mask].abs() >= 0.01).all() and some.n_edges == int((scores.values.abs() >= 0.01).sum())
    with pytest.raises(InputError, match=r"threshold=1e\+06 keeps no edge: the strongest has"):
        scores.threshold(1e6)


@pytest.mark.parametrize("k", [0, 480, 2.5, -1])
def test_a_number_of_edges_that_cannot_be(k):
    for choose in (words_scores().top, words_scores().greedy):
        with pytest.raises(InputError, match="give a number from 1 to 479"):
            choose(k)


def test_what_was_not_scored_is_never_chosen():
    known = words_scores()
    values = known.values.clone()
    values[:, : len(known.graph.receivers) - 1] = math.nan
    part = EdgeScores(known.graph, values, "part", known.conditions, recipe=Recipe.of("tests", {}, model_hash="", inputs=""))
    assert part.n_scored == len(known.graph.senders) == part.top(part.n_scored, connected=False).n_edges
    with pytest.raises(InputError, match=f"give a number from 1 to {part.n_scored}"):
        part.top(part.n_scored + 1)
    values[0, -1] = 1e-9
    values[1:, -1] = math.nan
    assert len(part.to_frame().drop_nulls()) == 1 and part.drawing().data["labels"] == ["blocks.0.resid_pre -> logits"]
    # the embedding has no receivers of its own, so nothing more can be reached
    values[0, 0] = 1.0
    with pytest.raises(InputError, match="from the logits only 1 scored edges can be reached"):
        greedily(part.graph, part.strengths(), 2)


def test_scores_drawn_again():
    scores = words_scores()
    graph = scores.graph
    draws = scores.resampled(400, seed=0)
    torch.testing.assert_close(draws.mean(0), scores.values, rtol=0, atol=0.05 * float(scores.values.abs().max()))
    effects = scores.per_example
    expected = effects.std(1, correction=0) / effects.shape[1] ** 0.5
    torch.testing.assert_close(draws.std(0)[graph.real], expected, rtol=0.25, atol=1e-6)
    assert torch.equal(draws, scores.resampled(400, seed=0)) and not torch.equal(draws, scores.resampled(400, seed=1))
    with pytest.raises(InputError, match="were not kept"):
        with_values(0).resampled(2)
