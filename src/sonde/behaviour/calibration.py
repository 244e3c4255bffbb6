"""Calibration: does a model that says 0.8 turn out right in 80 % of such cases?

With the examples in bins by confidence c, and r = 1 where the model was right, the expected calibration error (Naeini et al. 2015) is

    ECE = sum over bins of | mean over all examples of [in the bin] (c - r) |

which is a function of means over examples, so the bootstrap gives its interval. It is never 0 on finite data: beside it stands what a model that is
calibrated perfectly would show, with the same confidences and as many examples.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.evidence import bootstrap
from sonde.results import InputError

BINS = 10
BLOCKS = 500  # more examples are drawn again in so many random blocks: as good an interval, at a cost that doesn't grow
DRAWS = 500


@dataclass(frozen=True)
class Calibration:
    """How far confidences are from shares.

    Arguments:
        error: the expected calibration error.
        interval: of it, at 95 %.
        expected: what perfect calibration would show on as many examples, the mean over draws.
        brier: the mean of (c - r)^2.
    """

    error: float
    interval: tuple[float, float]
    expected: float
    brier: float


def calibration(confidence: Float[Tensor, " example"], right: Bool[Tensor, " example"], seed: int = 0) -> Calibration:
    """The calibration of probabilities.

    Arguments:
        confidence: the probability of what was predicted (or of the positive class).
        right: whether it was right (or the class positive).
        seed: of the bootstrap and of the perfectly calibrated outcomes.

    Raises:
        InputError: a confidence outside 0 to 1, or fewer than two examples.

    >>> p = torch.tensor([0.75]).repeat(400)
    >>> found = calibration(p, torch.arange(400) % 4 != 0)
    >>> round(found.error, 6), found.expected > 0.01
    (0.0, True)
    """
    refuse_improbable(confidence)
    rows = binned_gaps(confidence, right)
    blocks = random_blocks(len(rows), seed)
    low, high = bootstrap(rows, of=lambda m: m.abs().sum(-1), draws=DRAWS, seed=seed, blocks=blocks)
    generator = torch.Generator().manual_seed(seed)
    perfect = [binned_gaps(confidence, torch.rand(len(confidence), generator=generator) < confidence).mean(0).abs().sum() for _ in range(50)]
    return Calibration(
        error=float(rows.mean(0).abs().sum()),
        interval=(float(low), float(high)),
        expected=float(torch.stack(perfect).mean()),
        brier=float((confidence - right.float()).square().mean()),
    )


def binned_gaps(confidence: Float[Tensor, " example"], right: Bool[Tensor, " example"], bins: int = BINS) -> Float[Tensor, "example bin"]:
    """Each example's confidence minus whether it was right, in the column of its bin; 0 elsewhere."""
    gaps = torch.zeros(len(confidence), bins, dtype=torch.float64)
    gaps.scatter_(1, bin_of(confidence, bins)[:, None], (confidence - right.float()).double()[:, None])
    return gaps


def reliability(confidence: Float[Tensor, " example"], right: Bool[Tensor, " example"], bins: int = BINS) -> Float[Tensor, "bin 3"]:
    """The curve: each bin's mean confidence, share right and number of examples; NaN in an empty one.

    >>> reliability(torch.tensor([0.1, 0.9, 0.9]), torch.tensor([False, True, False]), bins=2)
    tensor([[0.1000, 0.0000, 1.0000],
            [0.9000, 0.5000, 2.0000]])
    """
    member = torch.nn.functional.one_hot(bin_of(confidence, bins), bins).float()
    n = member.sum(0)
    return torch.stack([confidence @ member / n, right.float() @ member / n, n], dim=1)


def bin_of(confidence: Float[Tensor, " example"], bins: int = BINS) -> Int[Tensor, " example"]:
    """The bin of each confidence, all bins equally wide."""
    return (confidence * bins).long().clamp(max=bins - 1)


def random_blocks(n: int, seed: int) -> Int[Tensor, " example"] | None:
    """Independent examples in random blocks, where there are too many to be drawn one by one."""
    return None if n <= BLOCKS else torch.randperm(n, generator=torch.Generator().manual_seed(seed)) % BLOCKS


def refuse_improbable(confidence: Float[Tensor, " example"]) -> None:
    """Refuse what is no probability."""
    bad = confidence[~((confidence >= 0) & (confidence <= 1))]
    if len(bad):
        raise InputError(f"{len(bad)} of {len(confidence)} confidences are no probabilities, such as {float(bad[0]):g}: give numbers from 0 to 1")
