"""How sure a mean over examples is.

The examples are the independent draws; everything else (positions, heads, seeds of a control) is averaged within an example before it comes here.
Six intervals, each for its own case:

- `t_interval`: for a mean; exact where the examples are normal, mean +- t(n - 1) * s / sqrt(n).
- `skew_interval`: for a mean of skewed examples; Student's, its ends moved towards the long tail (Hall 1992).
- `bootstrap`: for a function of means, such as a ratio of means, and for examples in blocks; BCa (Efron 1987).
- `clopper_pearson`: for a share of successes, never narrower than it claims (Clopper and Pearson 1934): for guarantees.
- `wilson`: for a share of successes (Wilson 1927); `newcombe`: for the difference of two groups' shares (Newcombe 1998).
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import torch
from jaxtyping import Float
from scipy.special import betaincinv, stdtrit
from torch import Tensor

from sonde.evidence.blocks import Blocks, block_means, numbered
from sonde.results import InputError


def t_interval(values: Float[Tensor, " example"], level: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean of independent examples.

    Arguments:
        values: one value per example; for paired values their differences.
        level: the share of such intervals that hold the true mean.

    Returns:
        Its two ends.

    Raises:
        InputError: for fewer than two examples, or values that are not finite.

    >>> t_interval(torch.tensor([1.0, 2.0, 3.0]))
    (-0.48413..., 4.48413...)
    """
    values = finite(values, least=2)
    n = values.numel()
    mean, spread = float(values.mean()), float(values.std())
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * spread / math.sqrt(n)
    return mean - half, mean + half


def skew_interval(values: Float[Tensor, " example"], level: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean of independent, skewed examples, its ends moved towards the long tail.

    Where examples of skewness g are drawn, (mean - mu) / (s / sqrt(n)) lies below z as often as a normal value below z + g (2 z^2 + 1) / (6 sqrt(n))
    (Hall 1992, "The bootstrap and Edgeworth expansion"): each end's quantile is moved back by as much. With the unbiased skewness G1.

    Arguments:
        values: one value per example; for paired values their differences.
        level: the share of such intervals that hold the true mean.

    Returns:
        Its two ends.

    Raises:
        InputError: for fewer than three examples, or values that are not finite.

    >>> skew_interval(torch.tensor([1.0, 1.0, 1.0, 6.0]))
    (2.7002..., 10.6563...)
    """
    values = finite(values, least=3)
    n = values.numel()
    mean, spread = float(values.mean()), float(values.std())
    if spread == 0:
        return mean, mean
    skewness = n / ((n - 1) * (n - 2)) * float(((values - mean) / spread).pow(3).sum())
    quantile = float(stdtrit(n - 1, 0.5 + level / 2))
    moved = skewness * (2 * quantile**2 + 1) / (6 * math.sqrt(n))
    step = spread / math.sqrt(n)
    return mean - step * (quantile - moved), mean + step * (quantile + moved)


def bootstrap(
    values: Float[Tensor, "example *cell"],
    of: Callable[[Tensor], Tensor] = lambda mean: mean,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> tuple[Tensor, Tensor]:
    """The bias-corrected and accelerated bootstrap interval of a function of the means over examples.

    Examples are drawn again with replacement, or whole blocks of them (Davison and Hinkley 1997, section 3.8); one draw serves all cells. Efron
    (1987), "Better bootstrap confidence intervals", section 3, with the acceleration from the jackknife.

    Arguments:
        values: what the means are taken of, one row per example; a row may be a number or a tensor.
        of: maps means (draw *cell) to statistics (draw *out), such as `lambda m: m[..., 0] / m[..., 1]` for a ratio of means.
        level: the share of such intervals that hold the true value.
        draws: how often the examples are drawn again.
        seed: of the draws.
        blocks: the block of each example, where examples of one block are not independent, as in `block_means`.

    Returns:
        The lower and upper ends, each of shape *out; nan where the statistic itself is not finite.

    Raises:
        InputError: for fewer than two examples, or values that are not finite.

    >>> low, high = bootstrap(torch.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), of=lambda m: m[..., 0] / m[..., 1])
    >>> low.item(), high.item()
    (0.5, 0.5)
    """
    values = finite(values, least=2)
    flat = values.reshape(len(values), -1)
    if blocks is None:
        sums, sizes = flat, torch.ones(len(flat), dtype=torch.float64)
    else:
        places = numbered(blocks, len(flat))
        sizes = finite(torch.bincount(places).double(), least=2)
        sums = block_means(flat, blocks) * sizes[:, None]
    n = len(sums)
    generator = torch.Generator().manual_seed(seed)
    picks = torch.randint(n, (draws, n), generator=generator)
    counts = torch.zeros(draws, n, dtype=torch.float64).scatter_add_(1, picks, torch.ones(draws, n, dtype=torch.float64))

    def statistic(weights: Tensor) -> Tensor:
        return of((weights @ sums / (weights @ sizes)[:, None]).reshape(-1, *values.shape[1:]))

    value = statistic(torch.ones(1, n, dtype=torch.float64))
    drawn = statistic(counts)
    left_out = statistic(1 - torch.eye(n, dtype=torch.float64))

    # the median's bias z0, with half of the ties counted, and the acceleration a
    below = (drawn < value).double().mean(0) + 0.5 * (drawn == value).double().mean(0)
    z0 = torch.special.ndtri(below.clamp(1 / (draws + 1), draws / (draws + 1)))
    skew = left_out.mean(0) - left_out
    a = skew.pow(3).sum(0) / (6 * skew.pow(2).sum(0).pow(1.5)).clamp_min(torch.finfo(torch.float64).tiny)

    ends = []
    ordered = drawn.sort(0).values
    for z in (-normal_quantile(0.5 + level / 2), normal_quantile(0.5 + level / 2)):
        share = torch.special.ndtr(z0 + (z0 + z) / (1 - a * (z0 + z)))
        row = (share * (draws + 1) - 1).round().nan_to_num(0).clamp(0, draws - 1).long()
        end = ordered.gather(0, row.unsqueeze(0)).squeeze(0)
        ends.append(torch.where(value.squeeze(0).isfinite(), end, torch.nan))
    return ends[0], ends[1]


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share; it stays within 0 and 1 and is honest at the edges.

    Arguments:
        successes: how many of the examples succeeded.
        n: how many examples there are.
        level: the share of such intervals that hold the true share.

    Raises:
        InputError: unless 0 <= successes <= n and n > 0.

    >>> wilson(9, 10)
    (0.5958..., 0.9821...)
    """
    if not 0 <= successes <= n or n == 0:
        raise InputError(f"{successes} successes of {n} examples is no share; give 0 <= successes <= n and n > 0")
    z = normal_quantile(0.5 + level / 2)
    share = successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # at the edges the ends are 0 and 1 on paper, which rounding misses
    return max(0.0, middle - half) if successes else 0.0, min(1.0, middle + half) if successes < n else 1.0


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval for a share: it holds the true share at least as often as it says, however rare successes are.

    The ends are the shares under which so many successes or more, and so many or fewer, have half of what is left to chance (1934).

    Arguments:
        successes: how many of the examples succeeded.
        n: how many examples there are.
        level: the least share of such intervals that hold the true share.

    Raises:
        InputError: unless 0 <= successes <= n and n > 0.

    >>> clopper_pearson(0, 58)
    (0.0, 0.0616...)
    """
    if not 0 <= successes <= n or n == 0:
        raise InputError(f"{successes} successes of {n} examples is no share; give 0 <= successes <= n and n > 0")
    tail = (1 - level) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    return low, float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0


def newcombe(successes: int, n: int, other_successes: int, other_n: int, level: float = 0.95) -> tuple[float, float]:
    """Newcombe's interval for the difference of two groups' shares, built of Wilson's (Newcombe 1998, method 10).

    Arguments:
        successes: of the first group.
        n: its size.
        other_successes: of the second group, whose share is subtracted.
        other_n: its size.
        level: the share of such intervals that hold the true difference.

    Raises:
        InputError: as for `wilson`.

    >>> newcombe(56, 70, 48, 80)
    (0.0524..., 0.3338...)
    """
    (low, high), (other_low, other_high) = wilson(successes, n, level), wilson(other_successes, other_n, level)
    share, other = successes / n, other_successes / other_n
    return share - other - math.hypot(share - low, other_high - other), share - other + math.hypot(high - share, other - other_low)


def normal_quantile(share: float) -> float:
    """The quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(share)


def finite(values: Tensor, least: int) -> Tensor:
    """The values in float64, on the CPU; raises `InputError` where there are fewer rows than `least` or some are not finite."""
    if len(values) < least:
        raise InputError(f"{len(values)} examples say nothing about their spread; give at least {least}")
    bad = int((~values.isfinite()).flatten(1).any(1).sum() if values.ndim > 1 else (~values.isfinite()).sum())
    if bad:
        raise InputError(f"{bad} of {len(values)} examples are not finite; find out why before comparing them")
    return values.detach().double().cpu()
