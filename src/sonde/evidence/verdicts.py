"""From per-example numbers to a verdict: the one place where a claim is judged."""

import math
from typing import Literal

from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from sonde.evidence.blocks import Blocks, block_means
from sonde.evidence.intervals import finite, skew_interval, t_interval
from sonde.results import InputError, Verdict


def compare(
    claim: str,
    measure: str,
    measured: Float[Tensor, " example"],
    control: Float[Tensor, " example"] | Float[Tensor, "draw example"],
    *,
    direction: Literal["greater", "less"] = "greater",
    threshold: float,
    threshold_source: str,
    exceeding: Literal["mean", "draw"] = "mean",
    blocks: Blocks | None = None,
    least: int = 8,
) -> Verdict:
    """Judge a claim by comparing a measure with the same measure under a control, example by example.

    The interval is the wider of two, both of the paired differences at 95 %: Student's, exact for normal ones, and the same with its ends moved
    for the differences' skewness. A control that was drawn at random, once for all examples, is unsure as well. With J draws, and s the deviation
    of their means, to the square of each side is added that of t(J - 1) s sqrt(1 / J), or of t(J - 1) s sqrt(1 + 1 / J) where one more draw is to be
    exceeded.

    Arguments:
        claim: a sentence that can be true or false.
        measure: what was measured, with its unit.
        measured: one value per example.
        control: the same measure on the same examples under the control. Of a random one all draws, where one draw served all examples (a set of
            heads, a rotation); where each example had draws of its own, their mean within the example.
        direction: whether the claim says that measured exceeds control, or falls below it.
        threshold: the least mean of `measured` that counts (for "less": the greatest).
        threshold_source: where the threshold comes from.
        exceeding: of a control in draws: their mean, or any one more draw, as if the measured values were themselves a draw.
        blocks: the block of each example, where examples of one block are not independent. They are averaged, and the blocks count as the examples.
        least: with fewer examples the claim counts as not testable. With eight, one
            example against the claim still leaves its signs unlikely by chance (9 in 256); with seven it does not (8 in 128).

    Returns:
        The verdict; with its reason, and without an answer, where there are too few examples.

    Raises:
        InputError: where the values are not paired, or not finite, or a random control was drawn only once.

    >>> import torch
    >>> drop = torch.tensor([0.8, 0.9, 0.7, 0.8, 0.6, 0.9, 0.8, 0.7])
    >>> compare("The found heads carry the answer.", "drop, share", drop, 0.1 * drop, threshold=0.2, threshold_source="a fifth").holds
    True
    """
    if measured.ndim != 1 or control.shape[-1:] != measured.shape or control.ndim not in (1, 2):
        raise InputError(
            f"{measure}: measured {tuple(measured.shape)} and control {tuple(control.shape)} are no pairs; give one value per example for each"
        )
    if control.ndim == 2 and len(control) < 2:
        raise InputError(f"{measure}: {len(control)} draws of a random control say nothing about their spread; give at least 2")
    n = len(measured)
    if n == 0:
        reason = f"there are no examples to test it on; at least {least} are needed"
        return untestable(claim, measure, reason, direction=direction, threshold=threshold, threshold_source=threshold_source)
    measured, draws = finite(measured, least=1), finite(control.reshape(-1, n).T, least=1)
    if blocks is not None:
        measured, draws = block_means(measured, blocks), block_means(draws, blocks)
        n = len(measured)
    what = "example" if blocks is None else "block"
    differences = measured - draws.mean(1)
    return Verdict(
        claim=claim,
        measure=measure,
        measured=float(measured.mean()),
        control=float(draws.mean()),
        interval=_interval(differences, draws.mean(0), exceeding) if n > 1 else None,
        n=n,
        direction=direction,
        threshold=threshold,
        threshold_source=threshold_source,
        reason=f"{n} {what}{'s say' if n > 1 else ' says'} too little; at least {least} are needed" if n < least else "",
    )


def untestable(
    claim: str,
    measure: str,
    reason: str,
    *,
    direction: Literal["greater", "less"] = "greater",
    threshold: float,
    threshold_source: str,
) -> Verdict:
    """The verdict on a claim that cannot be tested here, with the reason as a sentence."""
    return Verdict(claim, measure, None, None, None, 0, direction, threshold, threshold_source, reason)


def _interval(differences: Float[Tensor, " example"], draws: Float[Tensor, " draw"], exceeding: Literal["mean", "draw"]) -> tuple[float, float]:
    """The interval of the mean difference: how the examples vary, and how the draws of the control do."""
    middle = float(differences.mean())
    # two differences have no skewness
    both = [interval(differences) for interval in ((t_interval, skew_interval) if len(differences) > 2 else (t_interval,))]
    lows, highs = zip(*both, strict=True)
    unsure = 0.0
    if len(draws) > 1:
        unsure = float(stdtrit(len(draws) - 1, 0.975) * draws.std()) * math.sqrt(1 / len(draws) + (exceeding == "draw"))
    return middle - math.hypot(middle - min(lows), unsure), middle + math.hypot(max(highs) - middle, unsure)
