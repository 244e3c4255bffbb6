"""Several claims judged together: the more are made, the more hold by chance.

Holm's correction (1979) orders k claims by their p-values and holds the first against alpha / k, the second against alpha / (k - 1), and so on until
one fails. A verdict gives an interval instead of a p-value. At another level its ends lie t' / t times as far from the difference, t and t' being
Student's quantiles of both levels: the level at which the nearer end reaches zero is the p-value, and Holm's level gives the new interval.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from scipy.special import stdtr, stdtrit

from sonde.results import Verdict

TAIL = 0.025  # beyond each end of a 95 % interval


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with intervals so wide that the chance of any false claim among them is no larger than for a single one.

    Claims that could not be tested stay as they are, and do not count. A claim on which the others wait (where it fails they are not made) needs no
    correction, and they need none for it: leave it out.

    Arguments:
        verdicts: of all claims that are made together, such as those of one report.

    Returns:
        As many verdicts, in the same order.

    >>> one = Verdict("It is so.", "effect", 0.5, 0.0, (0.1, 0.9), 16, "greater", 0.2, "a fifth")
    >>> corrected([one])[0].interval
    (0.1, 0.9)
    >>> [verdict.holds for verdict in corrected([one] * 5)]
    [False, False, False, False, False]
    """
    found = list(verdicts)
    tested = sorted((i for i, verdict in enumerate(verdicts) if verdict.holds is not None), key=lambda i: _tail(verdicts[i]))
    claims = len(tested)
    for i in tested:
        found[i] = _widened(verdicts[i], TAIL / claims)
        # after the first failure no later claim may be held against a weaker level
        claims -= _tail(verdicts[i]) <= TAIL / claims
    return found


def _tail(verdict: Verdict) -> float:
    """The p-value of a claim: the tail beyond an interval whose end is just zero."""
    difference, side = _side(verdict)
    if side == 0:
        return float(difference <= 0)
    return float(stdtr(verdict.n - 1, -difference / side * stdtrit(verdict.n - 1, 1 - TAIL)))


def _side(verdict: Verdict) -> tuple[float, float]:
    """How far measured lies on the claimed side of the control, and how far the interval reaches back from there."""
    assert verdict.measured is not None and verdict.control is not None and verdict.interval is not None
    difference = verdict.measured - verdict.control
    low, high = verdict.interval
    return (difference, difference - low) if verdict.direction == "greater" else (-difference, high - difference)


def _widened(verdict: Verdict, tail: float) -> Verdict:
    assert verdict.measured is not None and verdict.control is not None and verdict.interval is not None
    factor = float(stdtrit(verdict.n - 1, 1 - tail) / stdtrit(verdict.n - 1, 1 - TAIL))
    middle = verdict.measured - verdict.control
    low, high = (middle + factor * (end - middle) for end in verdict.interval)
    return verdict if math.isclose(factor, 1) else replace(verdict, interval=(low, high))
