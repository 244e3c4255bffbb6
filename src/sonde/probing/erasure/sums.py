"""Two erasers in closed form, from sums over a stream: LEACE and mean projection.

With the covariance S of activations and their cross-covariance C with the targets, LEACE (Belrose et al. 2023) is the affine map that leaves no
cross-covariance, so that no linear probe does better on these activations than a constant, and changes them least:

    x - W^+ U U^T W (x - mu),    W = S^(-1/2),    U the left singular vectors of W C

With any basis Q of C's columns that is the same as x - Q (Q^T S^-1 Q)^-1 Q^T S^-1 (x - mu), of which only Q must be exact for the concept to go: the
map takes Q itself to 0 whatever stands for S. A nearly singular S costs a larger change than is needed, never a concept that stays.

A common implementation drops singular values of W C below .01, and with them every concept whose classes lie closer than that, silently. Here only
what is rounding is dropped, and what stays is measured.

Shape legend: n activations of d entries, k columns of targets, rank r.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.bases import Moments
from sonde.bases.pca import BLOCK, finite
from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.oracle import OracleEraser
from sonde.probing.erasure.targets import columns_of
from sonde.results import InputError

ROUNDING = 1e-12  # of a correlation: below it float64 sums know nothing
RELATIVE = 1e-10  # of the largest singular value
RIDGE = 4 * torch.finfo(torch.float64).eps  # times width^2, of a correlation matrix: what its factorisation may be off by


@dataclass
class LeaceSums:
    """Counts, means, covariance and cross-covariance of a stream of activations with their targets, in float64.

    Arguments:
        width: entries of an activation.
        targets: how many classes there are, or how many numbers each activation comes with.

    >>> x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    >>> y = (x[:, 0] > 0).long()
    >>> eraser = LeaceSums(4, 2).update(x[:50], y[:50]).update(x[50:], y[50:]).leace()
    >>> eraser.rank, bool(eraser.residual < 1e-12)
    (1, True)
    """

    width: int
    targets: int
    moments: Moments = field(init=False, repr=False)  # of the activations with their targets as further columns

    def __post_init__(self) -> None:
        self.moments = Moments(self.width + self.targets)

    @property
    def n(self) -> int:
        """How many activations were taken in."""
        return self.moments.n

    @property
    def mean(self) -> Float[Tensor, " width"]:
        """Of the activations."""
        return self.moments.mean[: self.width]

    @property
    def covariance(self) -> Float[Tensor, "width width"]:
        """Of the activations, S."""
        return self.moments.covariance[: self.width, : self.width]

    @property
    def cross(self) -> Float[Tensor, "width targets"]:
        """The activations' cross-covariance with the targets, C."""
        return self.moments.covariance[: self.width, self.width :]

    def update(self, x: Float[Tensor, "n width"], z: Int[Tensor, " n"] | Float[Tensor, "n *targets"]) -> "LeaceSums":
        """Take in more activations.

        Arguments:
            x: activations.
            z: the number of each one's class, or its numbers.

        Raises:
            InputError: as many targets as activations are needed, with as many columns as were said, all of them finite.
        """
        columns = columns_of(z, self.targets)
        if x.shape[1:] != (self.width,) or len(columns) != len(x) or not finite(x):
            raise InputError(
                f"activations of shape {tuple(x.shape)} with {len(columns)} targets: give finite ones of {self.width} entries, a target each"
            )
        memory = torch.empty(min(BLOCK, len(x)), self.moments.width, dtype=torch.float64)  # the same for all blocks
        for block, own in zip(x.detach().split(BLOCK), columns.split(BLOCK), strict=True):
            rows = memory[: len(block)]
            rows[:, : self.width], rows[:, self.width :] = block, own
            self.moments.absorb(rows)
        return self

    def merge(self, other: "LeaceSums") -> "LeaceSums":
        """Take in what another one has taken in, such as another process.

        Arguments:
            other: of the same width and targets; it stays as it is.
        """
        if other.targets != self.targets:
            raise InputError(f"sums over {other.targets} targets do not go with those over {self.targets}")
        self.moments.merge(other.moments)
        return self

    def leace(self, shrinkage: float = 0.0) -> Eraser:
        """Least-squares concept erasure: of all affine maps that leave no cross-covariance the one that changes the activations least.

        Arguments:
            shrinkage: from 0 to 1: how far correlations between entries are drawn to 0 before S is inverted. The concept goes all the same; where
                there are few more activations than entries, less of the rest does.

        Raises:
            InputError: fewer than two activations; shrinkage outside 0 to 1.
        """
        if not 0 <= shrinkage <= 1:
            raise InputError(f"shrinkage={shrinkage}: give a share from 0 (the covariance as it is) to 1 (its diagonal)")
        scale, correlation = _standardised(self.covariance)
        q = self._concept(scale)
        correlation = (1 - shrinkage) * correlation
        correlation.diagonal().fill_(1 + RIDGE * self.width**2)
        solved = torch.cholesky_solve(q, torch.linalg.cholesky(correlation))
        encoder = torch.linalg.solve(q.T @ solved, solved.T) / scale
        return self.eraser("leace", encoder, (q * scale[:, None]).T)

    def mean_projection(self) -> Eraser:
        """The orthogonal projection that takes out the directions between the classes' means (those of C): the same concept goes, at a larger change.

        Raises:
            InputError: fewer than two activations.
        """
        scale, _ = _standardised(self.covariance)
        q, _ = torch.linalg.qr(self._concept(scale) * scale[:, None])
        return self.eraser("mean", q.T, q.T)

    def oracle(self) -> OracleEraser:
        """The eraser for those who know each example's label: the least change of all that leaves no cross-covariance.

        Raises:
            InputError: fewer than two activations.
        """
        if self.n < 2:
            raise InputError(f"an eraser can't be fitted on {self.n} activations: give at least two")
        own, cross = self.moments.covariance[self.width :, self.width :], self.cross
        scale, correlation = _standardised(own)
        weights = cross / scale @ torch.linalg.pinv(correlation, rtol=RELATIVE, hermitian=True) / scale  # of classes one column is told by the others
        left = cross - weights @ own
        change = float((weights @ own * weights).sum())
        return OracleEraser(self.moments.mean[self.width :].clone(), weights, change, float(cross.abs().max()), float(left.abs().max()), self.n)

    def eraser(self, kind: str, encoder: Float[Tensor, "rank width"], decoder: Float[Tensor, "rank width"]) -> Eraser:
        """A projection about the mean of these activations, with what it leaves and costs on them.

        Arguments:
            kind: how it was made.
            encoder, decoder: E and D, of which E D^T is the identity.
        """
        if self.n < 2:
            raise InputError(f"an eraser can't be fitted on {self.n} activations: give at least two")
        cross = self.cross
        left = cross - decoder.T @ (encoder @ cross)
        change = ((encoder @ self.covariance @ encoder.T) * (decoder @ decoder.T)).sum()
        before, residual = float(cross.abs().max()), float(left.abs().max())
        return Eraser(kind, self.mean.clone(), encoder, decoder, float(change), before, residual, self.n)

    def _concept(self, scale: Float[Tensor, " width"]) -> Float[Tensor, "width rank"]:
        """Orthonormal columns that span the correlations of entries with targets."""
        z_std = self.moments.covariance.diagonal()[self.width :].sqrt()
        correlations = self.cross / scale[:, None] / torch.where(z_std > 0, z_std, 1)
        u, s, _ = torch.linalg.svd(correlations, full_matrices=False)
        return u[:, s > max(ROUNDING, RELATIVE * float(s[0]))]


def _standardised(covariance: Float[Tensor, "width width"]) -> tuple[Float[Tensor, " width"], Float[Tensor, "width width"]]:
    """The standard deviations, 1 where an entry does not vary, and the correlations."""
    std = covariance.diagonal().sqrt()
    scale = torch.where(std > 0, std, 1)
    return scale, covariance / scale / scale[:, None]
