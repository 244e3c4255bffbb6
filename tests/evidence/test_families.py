"""Claims judged together: Holm's correction by means of intervals is Holm's correction of p-values."""

import math
from dataclasses import replace

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.evidence import compare, corrected, holm, untestable


def judge(differences):
    return compare("It is so.", "effect", differences, torch.zeros(len(differences)), threshold=-math.inf, threshold_source="")


@given(st.lists(st.floats(-0.5, 2), min_size=1, max_size=8), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_it_is_holm(effects, seed):
    """On symmetric differences, where Student's interval is the verdict's: claims hold exactly where Holm's adjusted p-value allows it."""
    half = torch.randn(len(effects), 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = torch.cat([half, -half], 1) + torch.tensor(effects, dtype=torch.float64)[:, None]
    p_values = torch.tensor([scipy.stats.ttest_1samp(row, 0, alternative="greater").pvalue for row in rows])
    holds = [verdict.holds for verdict in corrected([judge(row) for row in rows])]
    assert holds == (holm(p_values) < 0.025).tolist()


def test_one_claim_and_untested_ones_stay_as_they_are():
    one = judge(torch.randn(12, generator=torch.Generator().manual_seed(0)) + 1)
    few, none = judge(torch.ones(3)), untestable("It is so.", "effect", "there are no prompts", threshold=0, threshold_source="")
    assert corrected([]) == []
    assert corrected([few, one, none]) == [few, one, none]
    assert corrected([one, one])[0].interval != one.interval


def test_the_direction_counts():
    up = judge(torch.randn(12, generator=torch.Generator().manual_seed(0)) + 3)
    down = replace(up, measured=-up.measured, interval=(-up.interval[1], -up.interval[0]), direction="less", threshold=math.inf)
    above, below = corrected([up, up])[0], corrected([down, down])[0]
    assert above.holds and below.holds
    assert below.interval == pytest.approx((-above.interval[1], -above.interval[0]))


def test_differences_without_spread():
    sure, nothing = judge(torch.ones(9)), judge(torch.zeros(9))
    assert [verdict.holds for verdict in corrected([nothing, sure, nothing])] == [False, True, False]


def test_the_error_of_the_family():
    """Eight true nulls together: any of them holds in 2.5 % of the families; uncorrected in about 18 %."""
    generator = torch.Generator().manual_seed(0)
    families = [[judge(torch.randn(16, generator=generator)) for _ in range(8)] for _ in range(150)]
    assert sum(any(v.holds for v in corrected(one)) for one in families) <= scipy.stats.binom.ppf(0.999, 150, 0.025)
    assert sum(any(v.holds for v in one) for one in families) >= 15
