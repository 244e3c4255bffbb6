"""Shuffled weights: exactly nothing where states are equal, much where one word decides."""

import pytest
import torch
from attribution.attention.networks import base, corpus, texts, written

from sonde.attribution.attention import permutation
from sonde.attribution.attention.permutation import shuffles, with_largest
from sonde.results import CheckRefused, InputError, Result

ROW = ["w1", "w2", "w0", "w3", "w4", "w5", "w6", "w7"]
ROWS = [ROW[i:] + ROW[:i] for i in range(8)] + [["w2", "w0", "w1"]]


def decisive():
    """Nearly all weight on w0, which alone votes for the class; all others vote against it."""
    return written([1.0] + [-1.0] * 7, [9.0] + [0.0] * 7, scale=6.0)


def test_a_decisive_word():
    result = permutation(decisive(), texts(ROWS))
    assert result.largest.min() > 0.99
    assert result.moved.min() > 0.99
    assert result.kept_largest.max() < 1e-3, "only the weights that do not matter are shuffled"
    (verdict,) = result.check(decisive())
    assert verdict.holds


def test_equal_states():
    result = permutation(written([1.0] * 8, [3.0] * 8), texts(ROWS))
    assert bool((result.moved == 0).all()) and bool((result.uniform == 0).all())


def test_weights_that_do_not_matter():
    """The weights are far from equal, and every word says the same."""
    net = written([1.0] * 8, [9.0] + [0.0] * 7)
    result = permutation(net, texts(ROWS))
    assert result.largest.min() > 0.99 and result.moved.max() < 1e-6
    assert result.check(net)[0].holds is False


def test_shuffles_leave_padding_behind_and_reach_every_order():
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    orders = shuffles(mask, 300, torch.Generator().manual_seed(0))
    assert len({tuple(order) for order in orders[0].tolist()}) == 6
    assert bool((orders[0, :, 3] == 3).all()) and bool((orders[1, :, 2:] >= 2).all())
    kept = with_largest(orders, torch.tensor([[0.2, 0.7, 0.1, 0.0], [0.4, 0.6, 0.0, 0.0]]))
    assert bool((kept[:, :, 1] == 1).all())
    assert {tuple(order) for order in kept[0].tolist()} == {(0, 1, 2, 3), (2, 1, 0, 3)}


def test_a_text_does_not_feel_its_neighbours_length():
    net, made = base(), corpus().test.first(40)
    alone, longer = permutation(net, made), permutation(net, texts([*made.words, ["red1", "blue2"] * 12]))
    assert torch.allclose(alone.moved, longer.moved[:40], atol=1e-5)
    assert torch.allclose(alone.uniform, longer.uniform[:40], atol=1e-6)


def test_kept_and_refused(tmp_path):
    result = permutation(base(), corpus().test.first(20), draws=11)
    again = Result.load(result.save(tmp_path / "kept"))
    assert again.to_frame().equals(result.to_frame())
    assert torch.equal(result.moved, permutation(base(), corpus().test.first(20), draws=11).moved)
    assert not torch.equal(result.moved, permutation(base(), corpus().test.first(20), draws=11, seed=1).moved)
    with pytest.raises(CheckRefused):
        result.check(decisive())
    with pytest.raises(InputError, match="draws=0"):
        permutation(base(), corpus().test, draws=0)
