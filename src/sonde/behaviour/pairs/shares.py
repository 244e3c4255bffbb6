"""Shares of right pairs with their intervals: of a paradigm by Wilson's, of several paradigms by how much these differ.

Paradigms count alike, however many pairs each has: the mean of a phenomenon, and the overall mean, are means over paradigms. Its interval is
Student's over the paradigms, so that it speaks of paradigms like these; the thousand pairs of one are made from one template, and would make it look
too sure. Where two paradigms happen to agree it is not narrower than what the pairs within them leave open.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sonde.evidence import t_interval, wilson


@dataclass(frozen=True)
class Share:
    """A share of right pairs.

    Arguments:
        value: from 0 to 1.
        low, high: its 95 % interval.
        n: how many pairs, or paradigms, it is over.
    """

    value: float
    low: float
    high: float
    n: int


def of_pairs(right: Sequence[bool]) -> Share:
    """The share of one paradigm.

    >>> of_pairs([True] * 9 + [False])
    Share(value=0.9, low=0.59..., high=0.98..., n=10)
    """
    low, high = wilson(sum(right), len(right))
    return Share(sum(right) / len(right), low, high, len(right))


def of_paradigms(shares: Sequence[Share]) -> Share:
    """The mean over paradigms; one by itself keeps its own interval.

    Arguments:
        shares: one for each paradigm.
    """
    if len(shares) == 1:
        return Share(shares[0].value, shares[0].low, shares[0].high, 1)
    values = torch.tensor([share.value for share in shares], dtype=torch.float64)
    mean, (low, high) = float(values.mean()), t_interval(values)
    within = math.hypot(*((share.high - share.low) / 2 for share in shares)) / len(shares)
    return Share(mean, max(0.0, min(low, mean - within)), min(1.0, max(high, mean + within)), len(shares))
