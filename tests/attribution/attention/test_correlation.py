"""Kendall's tau of attention with gradient and leave-one-out: closed forms, the null, and what is undefined."""

import math

import pytest
import torch
from attribution.attention.networks import base, corpus, texts, written

from sonde.attribution.attention import correlation
from sonde.attribution.attention.correlation import gradient_sizes, kendall, leave_one_out
from sonde.results import CheckRefused, InputError, Result

SCORES = [0.3 * i - 4 for i in range(8)]
ROW = ["w3", "w0", "w7", "w1", "w5", "w2", "w6", "w4"]


def test_weights_are_the_gradient_where_every_word_votes_equally_hard():
    """|gradient x embedding| is alpha times a constant, so tau is 1; were the gradient to flow through the weights, it would not be."""
    net = written([1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0], SCORES, scale=2.0)
    result = correlation(net, texts([ROW]))
    assert result.tau[0, 0] == 1.0 and result.p[0, 0] < 0.001
    assert torch.allclose(result.gradient, result.weights, atol=1e-5)
    uneven = written([1.0, -0.2, -2.0, 0.1, 0.5, -1.0, 0.3, -0.7], SCORES, scale=2.0)
    assert correlation(uneven, texts([ROW])).tau[0, 0] < 0.9, "the control: votes of other sizes"

    embedded = net.embed(net.rows(texts([ROW])).ids).detach().requires_grad_()
    mask = torch.ones(1, 8, dtype=torch.bool)
    states = net.encoder(embedded, mask)
    output = net.head((net.attention(states, mask, None)[:, None] @ states)[:, 0]).softmax(-1).max()
    flowing = (torch.autograd.grad(output, embedded)[0] * embedded).sum(-1).abs().detach()
    assert kendall(result.weights[0], flowing[0])[0] < 0.99


def test_leave_one_out_is_the_text_without_the_word():
    net, made = base(), corpus().test.first(3)
    found = leave_one_out(net, net.rows(made), batch_size=7)
    whole = net.attend(made).probabilities
    for i, words in enumerate(made.words):
        for t in range(len(words)):
            shorter = net.attend(texts([[*words[:t], *words[t + 1 :]]])).probabilities[0]
            assert found[i, t].item() == pytest.approx((shorter - whole[i]).abs().sum().item() / 2, abs=1e-5)


def test_random_rankings_have_the_deviation_of_the_formula():
    n, generator = 30, torch.Generator().manual_seed(0)
    taus = torch.tensor([kendall(*torch.rand(2, n, generator=generator))[0] for _ in range(300)])
    assert abs(taus.mean()) < 3 * 0.129 / math.sqrt(300)
    assert taus.std().item() == pytest.approx(math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))), rel=0.15)


def test_words_that_are_all_alike_have_no_tau_and_are_counted():
    """Not 0, which would say that two rankings were compared and did not agree."""
    net = written([1.0] * 8, [3.0] * 8)
    result = correlation(net, texts([ROW, ROW[:6]]))
    assert bool(result.tau.isnan().all())
    assert result.table()["undefined"].to_list() == [2, 2, 2]
    silent = written([1.0] * 8, SCORES, scale=0.0)
    assert bool((gradient_sizes(silent, silent.rows(texts([ROW]))) == 0).all())
    assert bool(correlation(silent, texts([ROW])).tau.isnan().all())


def test_differences_that_single_precision_cannot_see_are_ties():
    assert math.isnan(kendall(torch.tensor([0.1, 0.1 + 1e-8, 0.1]), torch.tensor([1.0, 2.0, 3.0]))[0])


def test_short_texts_are_left_out():
    net = written([1.0, -1.0] * 4, SCORES)
    result = correlation(net, texts([ROW, ROW[:4]]))
    assert result.tau.isnan().tolist() == [[False, True]] * 3
    assert not bool(correlation(net, texts([ROW, ROW[:4]]), least=3).tau.isnan().any())


def test_the_tail_can_be_left_out():
    """Among the few largest weights, the noise of the others has no say."""
    weights, noise = torch.tensor([0.5, 0.3, 0.1, *([1e-3] * 27)]), torch.rand(27, generator=torch.Generator().manual_seed(0))
    weights[3:] += 1e-4 * noise
    assert kendall(weights[:3], torch.tensor([3.0, 2.0, 1.0]))[0] == 1.0
    net, made = base(), corpus().test.first(20)
    for pair in correlation(net, made, top=2).tau:
        assert set(pair[~pair.isnan()].tolist()) <= {-1.0, 1.0}


def test_the_verdict_holds_for_the_trained_network_and_not_for_votes_that_ignore_the_weights(tmp_path):
    result = correlation(base(), corpus().test.first(40))
    (verdict,) = result.check(base())
    assert verdict.measured > 0.2 and abs(verdict.control) < 0.05 and verdict.interval[0] > 0
    silent = written([1.0] * 8, SCORES, scale=0.0)
    assert correlation(silent, texts([ROW] * 9)).check(silent)[0].holds is None
    with pytest.raises(CheckRefused):
        result.check(silent)
    again = Result.load(result.save(tmp_path / "kept"))
    assert torch.equal(again.tau, result.tau) and again.drawing().to_json() == result.drawing().to_json()
    assert result.to_frame().height == 120


def test_too_few_words_are_refused():
    for wrong in ({"least": 1}, {"top": 1}):
        with pytest.raises(InputError, match="at least 2 words"):
            correlation(base(), corpus().test, **wrong)
