"""When a claim holds."""

from dataclasses import replace

import pytest

from sonde.results import Verdict

GREATER = Verdict("", "", 0.8, 0.1, (0.5, 0.9), 12, "greater", 0.2, "")
LESS = Verdict("", "", -0.8, 0.1, (-1.1, -0.7), 12, "less", -0.2, "")


@pytest.mark.parametrize(
    ("verdict", "holds"),
    [
        (GREATER, True),
        (replace(GREATER, interval=(-0.1, 0.9)), False),
        (replace(GREATER, interval=(0.0, 0.9)), False),
        (replace(GREATER, interval=(-0.9, -0.5)), False),
        (replace(GREATER, threshold=0.9), False),
        (LESS, True),
        (replace(LESS, interval=(-1.1, 0.1)), False),
        (replace(LESS, threshold=-0.9), False),
        (replace(GREATER, reason="too few examples"), None),
        (replace(GREATER, interval=None), None),
        (replace(GREATER, measured=None), None),
    ],
)
def test_holds(verdict, holds):
    assert verdict.holds is holds
