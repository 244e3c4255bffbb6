"""Iterative null-space projection: train a linear classifier, project onto the null space of all so far, and so on (Ravfogel et al. 2020).

    P = projection onto the span of the rows of W_1, W_2, ...,    x - P (x - mu)

The span is taken of all rows together, not as a product of projections, whose rounding would let a direction back in. Rounds end where a classifier
is no better than the commonest class, on examples that none was trained on.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.probing.commonest import accuracy_of
from sonde.probing.division import divide
from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.sums import LeaceSums
from sonde.probing.probes import fit_logistic
from sonde.results import InputError

ROUNDS = 32
ABOVE = 0.01  # of accuracy above the commonest class: what counts as nothing found
SHARE = 0.2  # of the examples on which that is judged
INDEPENDENT = 1e-6  # of a row's length: what must be left of it outside the span so far


def inlp(
    x: Float[Tensor, "n width"], y: Int[Tensor, " n"], sums: LeaceSums, groups: Int[Tensor, " n"] | None = None, rounds: int = ROUNDS, seed: int = 0
) -> Eraser:  # fmt: skip
    """The eraser of a concept by iterative null-space projection; orthogonal, and of far higher rank than LEACE.

    Arguments:
        x: activations.
        y: the number of each one's class.
        sums: over the same activations and classes.
        groups: examples that must not be divided between training and the judgement; by default each stands alone.
        rounds: how many classifiers at most.
        seed: of the division.

    Raises:
        InputError: targets that are no classes.
    """
    if y.is_floating_point():
        raise InputError("INLP trains classifiers, and the targets are numbers to be told: take kind='leace' or 'mean'")
    if rounds < 1:
        raise InputError(f"rounds={rounds}: train at least one classifier")
    train, dev = divide(torch.arange(len(y)) if groups is None else groups, SHARE, seed)
    wide, n_classes = x.double() - sums.mean, sums.targets
    majority = accuracy_of([0] * len(y), y, train, dev)
    basis = wide.new_zeros(x.shape[1], 0)
    for _ in range(rounds):
        left = wide - (wide @ basis) @ basis.T
        probe = fit_logistic(left[train], y[train], n_classes)
        if float((probe.predict(left[dev]) == y[dev]).double().mean()) <= majority + ABOVE:
            break
        basis = _widened(basis, probe.directions.T)
        if basis.shape[1] == x.shape[1]:
            break
    return sums.eraser("inlp", basis.T.contiguous(), basis.T.contiguous())


def _widened(basis: Float[Tensor, "width before"], columns: Float[Tensor, "width new"]) -> Float[Tensor, "width after"]:
    """Orthonormal columns of both spans together."""
    columns = columns / columns.norm()
    # twice is enough for orthogonality (Kahan)
    for _ in range(2):
        columns = columns - basis @ (basis.T @ columns)
    u, s, _ = torch.linalg.svd(columns, full_matrices=False)
    return torch.cat([basis, u[:, s > INDEPENDENT]], 1)
