"""Intervals against SciPy, and against what they promise."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.evidence import bootstrap, skew_interval, t_interval, wilson
from sonde.results import InputError


def test_t_interval():
    values = torch.randn(12, generator=torch.Generator().manual_seed(0))
    low, high = scipy.stats.ttest_1samp(values.double(), 0).confidence_interval(0.9)
    assert t_interval(values, level=0.9) == pytest.approx((low, high))


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.5, 0.95, 0.99]))
def test_wilson(counts, level):
    oracle = scipy.stats.binomtest(*counts).proportion_ci(level, method="wilson")
    assert wilson(*counts, level) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_skew_moves_both_ends_towards_the_long_tail():
    values = torch.randn(12, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
    quantile = scipy.stats.t.ppf(0.95, 11)
    moved = scipy.stats.skew(values.numpy(), bias=False) * (2 * quantile**2 + 1) / (6 * math.sqrt(12)) * float(values.std()) / math.sqrt(12)
    low, high = t_interval(values, level=0.9)
    assert moved > 0 and skew_interval(values, level=0.9) == pytest.approx((low + moved, high + moved))


def test_skew_is_student_without_skewness():
    values = torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = torch.cat([values, -values]) + 3
    assert skew_interval(values) == pytest.approx(t_interval(values))


def test_skew_turns_with_the_values():
    values = torch.randn(9, generator=torch.Generator().manual_seed(0)).exp()
    low, high = skew_interval(values)
    assert skew_interval(-values) == pytest.approx((-high, -low))
    assert skew_interval(2 * values + 1) == pytest.approx((2 * low + 1, 2 * high + 1))


def test_the_more_failures_the_lower_the_end():
    """Of 16 shares one to eight fail: no end may jump, as those of transformations of the skewness do."""
    lows = [min(t_interval(values)[0], skew_interval(values)[0]) for k in range(1, 9) for values in [(torch.arange(16) >= k).float()]]
    assert lows == sorted(lows, reverse=True) and lows[0] > 0.6


def test_bootstrap_agrees_with_scipy():
    values = torch.randn(25, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
    oracle = scipy.stats.bootstrap((values.numpy(),), lambda x, axis: x.mean(axis), n_resamples=20_000, method="BCa", rng=0).confidence_interval
    low, high = bootstrap(values, draws=20_000)
    assert (low.item(), high.item()) == pytest.approx((oracle.low, oracle.high), abs=0.02)


def test_bootstrap_of_many_cells_is_that_of_each():
    values = torch.randn(10, 2, 3, generator=torch.Generator().manual_seed(1))
    low, high = bootstrap(values, seed=5)
    assert low.shape == high.shape == (2, 3)
    cell_low, cell_high = bootstrap(values[:, 1, 2], seed=5)
    assert (low[1, 2].item(), high[1, 2].item()) == pytest.approx((cell_low.item(), cell_high.item()))


def test_bootstrap_is_seeded():
    values = torch.randn(10, generator=torch.Generator().manual_seed(1))
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_examples_without_spread_have_a_point():
    assert t_interval(torch.full((9,), 2.0)) == skew_interval(torch.full((9,), 2.0)) == (2.0, 2.0)
    assert [end.item() for end in bootstrap(torch.full((9,), 2.0))] == pytest.approx([2.0, 2.0])


def test_a_ratio_over_nothing_is_missing():
    values = torch.stack([torch.ones(9), torch.zeros(9)], -1)
    low, high = bootstrap(values, of=lambda mean: mean[..., 0] / mean[..., 1])
    assert low.isnan() and high.isnan()


def coverage(interval, draw, truth, runs=600):
    hits = 0
    for run in range(runs):
        low, high = interval(draw(torch.Generator().manual_seed(run)))
        hits += float(low) <= truth <= float(high)
    return hits / runs


def test_coverage_of_a_mean():
    share = coverage(t_interval, lambda g: torch.randn(8, generator=g) + 3, 3.0)
    low, high = scipy.stats.binom.interval(0.999, 600, 0.95)
    assert low <= share * 600 <= high


def test_coverage_of_a_skewed_mean():
    """Of 20 examples with a skewness of -2 the moved end lies above the mean in at most 5 % of the cases, and less often than Student's."""
    draws = [torch.rand(20, generator=torch.Generator().manual_seed(run)).log() + 1 for run in range(600)]
    above = {interval: sum(interval(values)[0] > 0 for values in draws) for interval in (t_interval, skew_interval)}
    assert above[skew_interval] <= scipy.stats.binom.ppf(0.999, 600, 0.05) and above[skew_interval] < above[t_interval]


def test_coverage_of_a_ratio_of_means():
    """x = 2 y + noise, so the ratio of their means is 2; with 40 skewed examples BCa comes within two points of its level."""

    def draw(generator):
        y = torch.rand(40, generator=generator).log().neg()
        return torch.stack([2 * y + 0.5 * torch.randn(40, generator=generator), y], -1)

    share = coverage(lambda v: bootstrap(v, of=lambda m: m[..., 0] / m[..., 1], draws=500), draw, 2.0)
    assert 0.92 <= share <= 0.98


def test_coverage_of_a_share():
    """Averaged over many true shares, Wilson's interval has its level."""
    expected = []
    for share in torch.linspace(0.02, 0.98, 49).tolist():
        hit = [wilson(k, 30)[0] <= share <= wilson(k, 30)[1] for k in range(31)]
        expected.append(sum(scipy.stats.binom.pmf(k, 30, share) for k in range(31) if hit[k]))
    assert sum(expected) / len(expected) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("interval", [t_interval, skew_interval, bootstrap])
def test_refusals(interval):
    with pytest.raises(InputError, match="1 examples say nothing about their spread"):
        interval(torch.ones(1))
    with pytest.raises(InputError, match="2 of 4 examples are not finite"):
        interval(torch.tensor([1.0, math.nan, math.inf, 2.0]))


def test_no_share():
    for successes, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(InputError, match="is no share"):
            wilson(successes, n)
