"""Calibration: closed forms, and outcomes drawn from the probabilities themselves."""

import pytest
import torch

from sonde.behaviour import calibration, reliability
from sonde.results import InputError


def test_the_error_by_hand():
    """Two bins: four cases at 0.9 of which three are right, two at 0.3 of which none is: (4 x 0.15 + 2 x 0.3) / 6."""
    confidence = torch.tensor([0.9, 0.9, 0.9, 0.9, 0.3, 0.3])
    right = torch.tensor([True, True, True, False, False, False])
    found = calibration(confidence, right)
    assert found.error == pytest.approx((4 * 0.15 + 2 * 0.3) / 6)
    assert found.brier == pytest.approx((3 * 0.01 + 0.81 + 2 * 0.09) / 6)
    curve = reliability(confidence, right)
    assert curve[9].tolist() == pytest.approx([0.9, 0.75, 4]) and curve[3].tolist() == pytest.approx([0.3, 0, 2])
    assert bool(curve[0, :2].isnan().all()) and curve[0, 2] == 0


def test_perfect_calibration_shows_no_more_than_expected():
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(4000, generator=generator)
    found = calibration(confidence, torch.rand(4000, generator=generator) < confidence)
    assert 0.5 * found.expected < found.error < 1.6 * found.expected
    over = calibration((0.5 + confidence / 2), torch.rand(4000, generator=generator) < confidence)
    assert over.interval[0] > 5 * over.expected
    assert over.error == pytest.approx(0.25, abs=0.02)


def test_no_probability_is_refused():
    with pytest.raises(InputError, match="1 of 2 confidences are no probabilities, such as 2"):
        calibration(torch.tensor([0.5, 2.0]), torch.tensor([True, False]))
