"""Thresholds that keep a stated rate of false alarms.

The largest scores on n harmless texts are put in order. With the (k + 1)-th largest as the threshold, more than a share r of all such texts lie above
it only if at most k of the n texts exceeded their (1 - r)-quantile, whose chance is that of a binomial (Wilks 1941):

    P(rate above r) <= P(Binomial(n, r) <= k)

So the largest k for which this is at most 1 - confidence gives the lowest threshold that can be vouched for, whatever the scores' distribution. With
k = 0 that takes n >= log(1 - confidence) / log(1 - r) texts: 299 for a rate of 1 % at 95 %.
"""

import math

from jaxtyping import Float
from scipy.special import bdtr
from torch import Tensor

from sonde.results import InputError, shown


def thresholds(scores: Float[Tensor, "rule text"], rate: float, confidence: float) -> Float[Tensor, " rule"]:
    """The lowest thresholds above which at most a share of such texts lies.

    Arguments:
        scores: of harmless texts, as independent draws.
        rate: the largest share above a threshold.
        confidence: how sure that is.

    Raises:
        InputError: too few texts to vouch for such a rate.

    >>> import torch
    >>> thresholds(torch.arange(100.0)[None], rate=0.05, confidence=0.95)
    tensor([98.])
    """
    if not 0 < rate < 1 or not 0 < confidence < 1:
        raise InputError(f"rate={shown(rate)}, confidence={shown(confidence)}: both lie between 0 and 1")
    n = scores.shape[1]
    needed = math.ceil(math.log(1 - confidence) / math.log(1 - rate))
    if n < needed:
        raise InputError(f"{n} texts can't vouch for a rate of {rate:g} at {confidence:.0%}, not even without an alarm: give at least {needed}")
    allowed = max(k for k in range(n) if bdtr(k, n, rate) <= 1 - confidence)
    return scores.sort(1, descending=True).values[:, allowed]
