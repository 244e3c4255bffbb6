"""How alike are two representations of the same n samples? Seven measures of X [n, d1] and Y [n, d2], and which of them chance can fool.

With centred columns, K = X X' and L = Y Y', linear CKA (Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited") is

    CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)),    HSIC(K, L) = |X' Y|^2

and debiased where HSIC is the unbiased estimate of Song et al. (2012), with K~ and L~ the same matrices without their diagonals:

    n (n - 3) HSIC(K, L) = tr K~ L~ + (1' K~ 1)(1' L~ 1) / ((n - 1)(n - 2)) - 2 / (n - 2) 1' K~ L~ 1

The plain one, and every measure that fits directions to the samples, is near 1 on independent noise as soon as there are about as many units as
samples: below ten samples a unit only the debiased one says something by itself, and all others need their value on permuted samples beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import spearman
from sonde.results import InputError, shown

LEAST = 4  # samples, for the unbiased estimate
NEIGHBOURS = 10
FLAT = 1e-12  # of a representation: a deviation below is rounding
SHARE = 0.99  # of the variance that SVCCA keeps
ENOUGH = 10  # samples a unit, above which chance raises the fitted measures little


def cka(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> float:
    """Linear CKA as it is mostly given: 1 for rotations and scalings of each other, and raised by chance where samples are few.

    Arguments:
        x, y: (sample unit), of the same samples in the same order.

    Raises:
        InputError: other samples, fewer than 4, numbers that are not finite, or the same value in all of them.

    Source: Kornblith et al. 2019, equation 3 with linear kernels.

    >>> x = torch.eye(6)[:, :4]
    >>> round(cka(x, 3 * x.flip(1)), 6)
    1.0
    """
    return ratio(overlap, *(centred(one) for one in _pair(x, y)))


def debiased_cka(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> float:
    """Linear CKA by the unbiased estimate of each part: 0 on the average of independent samples, however many units there are.

    Arguments:
        x, y: (sample unit), of the same samples in the same order.

    Returns:
        At most about 1, below 0 by chance; NaN where the estimate of one of them with itself is not above 0.

    Raises:
        InputError: as for `cka`.

    Source: Song et al. 2012, equation 5; Murphy et al. 2024, "Correcting Biased Centered Kernel Alignment Measures".

    >>> noise = torch.randn(2, 40, 200, generator=torch.Generator().manual_seed(0))
    >>> abs(debiased_cka(*noise)) < 0.2 < 0.8 < cka(*noise)
    True
    """
    return ratio(unbiased, *(centred(one) for one in _pair(x, y)))


def svcca(x: Float[Tensor, "..."], y: Float[Tensor, "..."], share: float = SHARE) -> float:
    """The mean canonical correlation of the directions that hold most of the variance.

    Arguments:
        x, y: (sample unit), of the same samples in the same order.
        share: of each one's variance that is kept, its largest directions first; 1 keeps all.

    Raises:
        InputError: as for `cka`, or a share that is not above 0 and at most 1.

    Source: Raghu et al. 2017, "SVCCA".

    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    >>> round(svcca(x, x @ torch.tensor([[1.0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 9, 0], [0, 1, 0, 1]]), share=1), 6)
    1.0
    """
    if not 0 < share <= 1:
        raise InputError(f"share={shown(share)}: give what of the variance is kept, above 0 and at most 1")
    x, y = _pair(x, y)
    return float(torch.linalg.svdvals(_directions(x, share).T @ _directions(y, share)).clamp(max=1).mean())


def pwcca(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> float:
    """The mean canonical correlation, in which each direction counts by how much of the units of `x` lies along it.

    Arguments:
        x, y: (sample unit), of the same samples in the same order; the weights are those of `x`.

    Raises:
        InputError: as for `cka`.

    Source: Morcos et al. 2018, "Insights on representational similarity in neural networks with canonical correlation", section 2.3.

    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    >>> round(pwcca(x, 2 * x.flip(1)), 6)
    1.0
    """
    x, y = _pair(x, y)
    own = _directions(x, 1.0)
    turn, correlations, _ = torch.linalg.svd(own.T @ _directions(y, 1.0), full_matrices=False)
    weights = ((own @ turn).T @ x).abs().sum(1)
    return float((weights * correlations.clamp(max=1)).sum() / weights.sum())


def rsa(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> float:
    """Whether the same samples are far apart in both: Spearman's correlation of all distances, 1 less the correlation of two samples over units.

    Arguments:
        x, y: (sample unit), of the same samples in the same order; two units or more. Takes memory by the square of the samples.

    Raises:
        InputError: as for `cka`, or a single unit.

    Source: Kriegeskorte et al. 2008, "Representational similarity analysis".

    >>> x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    >>> round(rsa(x, 2 * x.flip(1)), 6)
    1.0
    """
    _pair(x, y)
    if min(x.shape[1], y.shape[1]) < 2:
        raise InputError("rsa compares samples by their correlation over units, and there is one unit: give two or more")
    above = torch.triu_indices(len(x), len(x), 1)
    return float(spearman(*((1 - _alike(one.double()))[above[0], above[1]] for one in (x, y))))


def procrustes(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> float:
    """How much of one the other explains after the best rotation and one scaling: 1 for rotations of each other.

    Both are centred and brought to length 1; the result is the sum of the singular values of X' Y, and 2 - 2 of it the squared distance.

    Arguments:
        x, y: (sample unit), of the same samples in the same order.

    Raises:
        InputError: as for `cka`.

    Source: Ding et al. 2021, "Grounding Representation Similarity with Statistical Testing", section 2.

    >>> x = torch.eye(6)[:, :4]
    >>> round(procrustes(x, 3 * x.flip(1)), 6)
    1.0
    """
    x, y = _pair(x, y)
    return float(torch.linalg.svdvals(x.T @ y).sum() / (x.norm() * y.norm()))


def mutual_neighbours(x: Float[Tensor, "..."], y: Float[Tensor, "..."], k: int = NEIGHBOURS) -> float:
    """The share of each sample's k nearest others that are the same in both; by chance k / (n - 1).

    Arguments:
        x, y: (sample unit), of the same samples in the same order. Takes memory by the square of the samples.
        k: neighbours, fewer than samples.

    Raises:
        InputError: as for `cka`, or more neighbours than other samples.

    Source: Huh et al. 2024, "The Platonic Representation Hypothesis", appendix A, with Euclidean distances.

    >>> x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    >>> mutual_neighbours(x, 2 * x.flip(1), k=3)
    1.0
    """
    x, y = _pair(x, y)
    if not isinstance(k, int) or not 1 <= k < len(x):
        raise InputError(f"k={shown(k)}: give at least one neighbour, and fewer than there are samples ({len(x)})")
    near = []
    for one in (x, y):
        away = torch.cdist(one, one, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
        near.append(torch.zeros_like(away, dtype=torch.bool).scatter_(1, away.topk(k, largest=False).indices, True))
    return float((near[0] & near[1]).sum()) / (k * len(x))


MEASURES: dict[str, Callable[[Tensor, Tensor], float]] = {
    one.__name__: one  # type: ignore[attr-defined]
    for one in (debiased_cka, cka, svcca, pwcca, rsa, procrustes, mutual_neighbours)
}
FITTED = ("cka", "svcca", "pwcca", "procrustes")  # which chance raises where samples are few


@dataclass(frozen=True, eq=False)
class Centred:
    """What CKA needs of one representation, so that an order of the samples changes no more than their order here.

    Arguments:
        values: with centred columns.
        diagonal: of K = X X'.
        row: the sums of K's rows without the diagonal.
    """

    values: Float[Tensor, "sample unit"]
    diagonal: Float[Tensor, " sample"]
    row: Float[Tensor, " sample"]

    def at(self, order: Int[Tensor, " sample"]) -> "Centred":
        """The same with the samples in another order."""
        return Centred(self.values[order], self.diagonal[order], self.row[order])


def centred(x: Float[Tensor, "sample unit"]) -> Centred:
    """What CKA needs of a representation, in double precision."""
    values = x.double() - x.double().mean(0)
    diagonal = values.square().sum(1)
    return Centred(values, diagonal, values @ values.sum(0) - diagonal)


def overlap(x: Centred, y: Centred) -> Tensor:
    """HSIC as |X' Y|^2, by the smaller of the two ways."""
    if min(x.values.shape[1], y.values.shape[1]) <= len(x.values):
        return (x.values.T @ y.values).square().sum()
    return ((x.values @ x.values.T) * (y.values @ y.values.T)).sum()


def unbiased(x: Centred, y: Centred) -> Tensor:
    """The unbiased HSIC, without ever holding K or L where there are more samples than units."""
    n = len(x.values)
    traced = overlap(x, y) - x.diagonal @ y.diagonal
    return (traced + x.row.sum() * y.row.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (x.row @ y.row)) / (n * (n - 3))


def ratio(part: Callable[[Centred, Centred], Tensor], x: Centred, y: Centred) -> float:
    """What two share beside what each has in itself; NaN where that is not above 0."""
    return float(part(x, y) / (part(x, x) * part(y, y)).clamp(min=0).sqrt())


PARTS = {"cka": overlap, "debiased_cka": unbiased}


def _pair(x: Tensor, y: Tensor) -> tuple[Float[Tensor, "sample one"], Float[Tensor, "sample other"]]:
    """Both in double precision with centred columns; raises for what can't be compared."""
    for one in (x, y):
        if not isinstance(one, Tensor) or one.ndim != 2 or not one.shape[1]:
            raise InputError(f"a representation is a tensor (sample unit); got {shown(tuple(one.shape) if isinstance(one, Tensor) else one)}")
    if len(x) != len(y):
        raise InputError(f"{len(x)} samples and {len(y)}: both must be answers to the same ones, in the same order")
    if len(x) < LEAST:
        raise InputError(f"{len(x)} samples say too little: give at least {LEAST}")
    both = []
    for one in (x, y):
        if not bool(one.isfinite().all()):
            raise InputError("a representation holds numbers that are not finite: leave those units or samples out of both")
        values = centred(one).values
        if float(values.norm()) <= FLAT * float(one.double().norm()):
            raise InputError("a representation is the same for all samples: there is nothing to compare")
        both.append(values)
    return both[0], both[1]


def _directions(x: Tensor, share: float) -> Float[Tensor, "sample direction"]:
    """Orthonormal columns that hold a share of the variance; what is only rounding is left out."""
    left, values, _ = torch.linalg.svd(x, full_matrices=False)
    kept = values > values[0] * max(x.shape) * torch.finfo(x.dtype).eps
    sums = values.square().cumsum(0) / values.square().sum()
    needed = 1 + int((sums < share).sum()) if share < 1 else len(values)
    return left[:, : min(needed, int(kept.sum()))]


def _alike(x: Tensor) -> Float[Tensor, "sample sample"]:
    """Correlations of samples over units; 0 for a sample whose units are all the same."""
    values = x - x.mean(1, keepdim=True)
    unit = values / values.norm(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return unit @ unit.T
