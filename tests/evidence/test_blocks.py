"""Blocks of examples count once each, in the order in which they come."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.evidence import block_means, bootstrap, t_interval
from sonde.results import InputError


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 1000))
def test_means(blocks, seed):
    values = torch.randn(len(blocks), 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    means = block_means(values, torch.tensor(blocks))
    for row, name in zip(means, dict.fromkeys(blocks), strict=True):
        assert torch.allclose(row, values[torch.tensor(blocks) == name].mean(0))
    assert torch.equal(means, block_means(values, [f"template {block}" for block in blocks]))


def test_blocks_of_one_example_are_examples():
    values = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    plain, blocked = bootstrap(values, seed=2), bootstrap(values, seed=2, blocks=range(12))
    assert all(torch.allclose(a, b) for a, b in zip(plain, blocked, strict=True))


def test_repeating_every_example_adds_nothing():
    """Ten times the same examples: in blocks the interval is the old one, without them it looks three times as sure."""
    values = torch.randn(12, generator=torch.Generator().manual_seed(0))
    often = values.repeat_interleave(10)
    low, high = bootstrap(values, seed=1)
    block_low, block_high = bootstrap(often, seed=1, blocks=torch.arange(120) // 10)
    assert (block_low.item(), block_high.item()) == pytest.approx((low.item(), high.item()))
    assert t_interval(block_means(often, torch.arange(120) // 10)) == pytest.approx(t_interval(values))
    naive_low, naive_high = bootstrap(often, seed=1)
    assert (naive_high - naive_low) < 0.4 * (high - low)


def test_blocks_of_unequal_size_keep_the_mean_over_examples():
    values, blocks = torch.tensor([1.0, 1.0, 1.0, 5.0, 3.0, 3.0]), [0, 0, 0, 1, 2, 2]
    low, high = bootstrap(values, draws=4000, blocks=blocks)
    assert low <= values.mean() <= high
    # of the 27 ways to draw three blocks the extremes are the blocks themselves
    assert low.item() == pytest.approx(1.0) and high.item() <= 5.0


def test_coverage_in_blocks():
    """Twelve documents of ten positions that share most of their noise: whole documents must be drawn for the interval to keep its level."""
    hits = naive = 0
    for run in range(200):
        generator = torch.Generator().manual_seed(run)
        values = (torch.randn(12, 1, generator=generator) + 0.5 * torch.randn(12, 10, generator=generator)).flatten()
        low, high = bootstrap(values, draws=500, blocks=torch.arange(120) // 10)
        hits += bool(low <= 0 <= high)
        low, high = bootstrap(values, draws=500)
        naive += bool(low <= 0 <= high)
    assert hits >= 0.87 * 200  # twelve blocks are few: the bootstrap's intervals are known to be a little short
    assert naive <= 0.6 * 200


def test_refusals():
    with pytest.raises(InputError, match="2 blocks for 3 examples"):
        block_means(torch.ones(3), [0, 1])
    with pytest.raises(InputError, match="1 examples say nothing"):
        bootstrap(torch.ones(3), blocks=[0, 0, 0])
