"""Claims hold when they are true, and not when they are not."""

import math

import pytest
import scipy.stats
import torch

from sonde.evidence import compare, untestable
from sonde.results import InputError


def judge(measured, control, direction="greater", threshold=-math.inf, **more):
    return compare("It matters.", "drop, logits", measured, control, direction=direction, threshold=threshold, threshold_source="none", **more)


def test_true_claims_are_found():
    held = 0
    for run in range(100):
        generator = torch.Generator().manual_seed(run)
        control = torch.randn(12, generator=generator)
        held += judge(control + 1 + 0.8 * torch.randn(12, generator=generator), control).holds is True
    assert held >= 85


def test_pairing_counts():
    """The same two sets of values: a small difference on every example is seen, though it drowns among the examples' own differences."""
    control = 10 * torch.randn(12, generator=torch.Generator().manual_seed(0))
    measured = control + 0.5 + 0.1 * torch.randn(12, generator=torch.Generator().manual_seed(1))
    assert judge(measured, control).holds is True
    assert judge(measured, control.flip(0)).holds is False


def test_direction_and_threshold():
    control = torch.zeros(10)
    measured = torch.linspace(0.5, 1.5, 10)
    assert judge(measured, control, threshold=0.9).holds is True
    assert judge(measured, control, threshold=1.1).holds is False
    assert judge(measured, control, direction="less", threshold=2).holds is False
    assert judge(-measured, control, direction="less", threshold=-0.9).holds is True
    assert judge(-measured, control, direction="less", threshold=-1.1).holds is False


def test_it_tells_what_was_measured():
    verdict = judge(torch.arange(9.0), torch.ones(9), threshold=2)
    assert (verdict.measured, verdict.control, verdict.n, verdict.threshold, verdict.reason) == (4.0, 1.0, 9, 2, "")
    low, high = scipy.stats.ttest_1samp(torch.arange(9.0).double() - 1, 0).confidence_interval()
    assert verdict.interval[0] <= low < 3 < high <= verdict.interval[1]


def test_draws_of_a_control_make_it_unsure():
    """The sides of the interval are those over the examples and those over the draws, root of the sum of squares."""
    measured, control = torch.arange(9.0), torch.tensor([[1.0] * 9, [2.0] * 9, [6.0] * 9])
    examples = judge(measured, control.mean(0))
    mean, draw = judge(measured, control), judge(measured, control, exceeding="draw")
    assert (mean.control, mean.n) == (draw.control, draw.n) == (3.0, 9)
    side, spread = 1 - examples.interval[0], scipy.stats.t.ppf(0.975, 2) * 7**0.5
    assert mean.interval[0] == pytest.approx(1 - math.hypot(side, spread * math.sqrt(1 / 3)))
    assert draw.interval[0] == pytest.approx(1 - math.hypot(side, spread * math.sqrt(4 / 3)))
    alike = judge(measured, torch.ones(2, 9), exceeding="draw")
    assert alike.interval == pytest.approx(judge(measured, torch.ones(9)).interval)


def test_blocks_count_as_examples():
    measured, blocks = torch.arange(18.0), [name for name in "abcdefghi" for _ in range(2)]
    blocked = judge(measured, torch.zeros(18), blocks=blocks)
    assert blocked == judge(measured.view(9, 2).mean(1), torch.zeros(9))
    few = judge(measured, torch.zeros(18), blocks=torch.arange(18) // 6)
    assert (few.holds, few.n, few.reason) == (None, 3, "3 blocks say too little; at least 8 are needed")


def test_too_few_examples_decide_nothing():
    few = judge(torch.ones(7), torch.zeros(7))
    assert (few.holds, few.measured, few.interval) == (None, 1.0, pytest.approx((1.0, 1.0)))
    assert few.reason == "7 examples say too little; at least 8 are needed"
    one = judge(torch.ones(1), torch.zeros(1))
    assert (one.holds, one.measured, one.interval) == (None, 1.0, None)
    none = judge(torch.ones(0), torch.zeros(0))
    assert (none.holds, none.measured, none.n) == (None, None, 0)
    assert judge(torch.ones(7), torch.zeros(7), least=7).holds is True


def test_what_is_no_evidence_is_refused(unchecked):
    with pytest.raises(InputError, match="1 of 9 examples are not finite"):
        judge(torch.tensor([math.nan] + [1.0] * 8), torch.zeros(9))
    with pytest.raises(InputError, match="1 of 9 examples are not finite"):
        judge(torch.ones(9), torch.tensor([math.inf] + [1.0] * 8))
    for control in (torch.zeros(8), torch.zeros(9, 2), torch.zeros(2, 2, 9)):
        with pytest.raises(InputError, match="are no pairs"):
            judge(torch.ones(9), control)
    with pytest.raises(InputError, match="1 draws of a random control say nothing about their spread"):
        judge(torch.ones(9), torch.zeros(1, 9))
    with pytest.raises(InputError, match="8 blocks for 9 examples"):
        judge(torch.ones(9), torch.zeros(9), blocks=range(8))


def test_untestable():
    verdict = untestable("It matters.", "drop, logits", "no word of the prompt can be renamed", threshold=0.1, threshold_source="none")
    assert verdict.holds is None and verdict.reason == "no word of the prompt can be renamed"
