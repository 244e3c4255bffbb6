"""From per-example numbers to a verdict: the one place where a claim is judged."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from sonde.evidence.intervals import bootstrap, finite, t_interval
from sonde.results import InputError, Verdict


def compare(
    claim: str,
    measure: str,
    measured: Float[Tensor, " example"],
    control: Float[Tensor, " example"],
    *,
    direction: Literal["greater", "less"] = "greater",
    threshold: float,
    threshold_source: str,
    seed: int = 0,
    least: int = 8,
) -> Verdict:
    """Judge a claim by comparing a measure with the same measure under a control, example by example.

    The interval is the wider of Student's and the BCa bootstrap's, both of the paired differences at 95 %: Student's is exact for normal
    differences down to two examples, where the bootstrap is too narrow; for skewed ones the bootstrap misses less.

    Arguments:
        claim: a sentence that can be true or false.
        measure: what was measured, with its unit.
        measured: one value per independent example.
        control: the same measure on the same examples under the control; average random controls within each example first.
        direction: whether the claim says that measured exceeds control, or falls below it.
        threshold: the least mean of `measured` that counts (for "less": the greatest).
        threshold_source: where the threshold comes from.
        seed: of the bootstrap.
        least: with fewer examples the claim counts as not testable. With eight, one
            example against the claim still leaves its signs unlikely by chance (9 in 256); with seven it does not (8 in 128).

    Returns:
        The verdict; with its reason, and without an answer, where there are too few examples.

    Raises:
        InputError: where the values are not paired, or not finite.

    >>> import torch
    >>> drop = torch.tensor([0.8, 0.9, 0.7, 0.8, 0.6, 0.9, 0.8, 0.7])
    >>> compare("The found heads carry the answer.", "drop, share", drop, 0.1 * drop, threshold=0.2, threshold_source="a fifth").holds
    True
    """
    if measured.ndim != 1 or measured.shape != control.shape:
        raise InputError(
            f"{measure}: measured {tuple(measured.shape)} and control {tuple(control.shape)} are no pairs; give one value per example for each"
        )
    n = len(measured)
    if n == 0:
        reason = f"there are no examples to test it on; at least {least} are needed"
        return untestable(claim, measure, reason, direction=direction, threshold=threshold, threshold_source=threshold_source)
    measured, control = finite(measured, least=1), finite(control, least=1)
    return Verdict(
        claim=claim,
        measure=measure,
        measured=float(measured.mean()),
        control=float(control.mean()),
        interval=_interval(measured - control, seed) if n > 1 else None,
        n=n,
        direction=direction,
        threshold=threshold,
        threshold_source=threshold_source,
        reason=f"{n} example{'s say' if n > 1 else ' says'} too little; at least {least} are needed" if n < least else "",
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


def _interval(differences: Tensor, seed: int) -> tuple[float, float]:
    low, high = t_interval(differences)
    drawn_low, drawn_high = bootstrap(differences, seed=seed)
    return min(low, float(drawn_low)), max(high, float(drawn_high))
