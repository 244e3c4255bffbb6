"""Multinomial logistic regression with an L2 penalty: p(c | x) = softmax(W z + b)_c, z standardised; minimised is

mean_i -log p(y_i | x_i) + |W|^2 / (2 C n)

which is scikit-learn's objective divided by C n. Two things make it fast. Every pass over the data goes block by block, the standardisation folded
into W, so that each block is read from memory once for value and gradient. And steps are nearly Newton's. The Hessian, the mean of
(diag p - p p^T) (x) z z^T, is about S (x) A: S the mean of diag p - p p^T, measured at each place, and A the correlations of z (the expectation of
a Kronecker product taken as the product of expectations, as in Martens and Grosse 2015, section 3). With A's eigenvectors, found once, and S's, its
inverse under any penalty is two products.

Shape legend: K classes; V (K, d + 1): the weights of z beside the bias.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.probing.probes.linear import LinearProbe, numbered_classes
from sonde.probing.probes.moments import Standard, centred, correlations
from sonde.probing.probes.quasi_newton import Found, Point, minimise
from sonde.results import InputError

TOL = 1e-4  # of the gradient, as in scikit-learn
SAMPLE = 8_000  # rows whose correlations precondition
FIRST = 20_000  # rows of a first, cheap search where there are many more
FIRST_STEPS = 8  # more of them would fit these rows alone
LEAST_SPREAD = 1e-3  # of a direction among classes, as a share of the largest: how sure a probe may be before its curvature counts as no smaller


def fit_logistic(
    x: Float[Tensor, "n d"], y: Int[Tensor, " n"], n_classes: int | None = None, C: float = 1.0, tol: float = TOL, iterations: int = 200
) -> LinearProbe:  # fmt: skip
    """Fit one probe.

    Arguments:
        x: activations, one row per example.
        y: the class of each, from 0 on.
        n_classes: how many classes there are; the largest of `y` and those below it if not given.
        C: how weak the penalty is, as in scikit-learn.
        tol: the search ends where no entry of the gradient of the objective exceeds it.
        iterations: at most so many steps; the probe says whether they sufficed.

    Raises:
        InputError: fewer than two classes, rows that do not fit the labels, or values that are not finite.

    >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    >>> fit_logistic(x, torch.tensor([0, 0, 1, 1])).predict(torch.tensor([[-3.0], [0.5]]))
    tensor([0, 1])
    """
    return next(logistic_path(x, y, n_classes, [C], tol, iterations))


def logistic_path(
    x: Float[Tensor, "n d"], y: Int[Tensor, " n"], n_classes: int | None = None, Cs: Sequence[float] = (1.0,), tol: float = TOL, iterations: int = 200
) -> Iterator[LinearProbe]:  # fmt: skip
    """One probe after the other, each fitted from where the last one ended when it is asked for: give the strongest penalty (the least C) first.

    Arguments:
        x: activations, one row per example.
        y: the class of each, from 0 on.
        n_classes: how many classes there are; the largest of `y` and those below it if not given.
        Cs: how weak the penalties are.
        tol: of the gradient.
        iterations: at most so many steps for each.

    Raises:
        InputError: as for `fit_logistic`.
    """
    n_classes, present = numbered_classes(x, y, n_classes)
    if any(C <= 0 for C in Cs):
        raise InputError(f"C={min(Cs):g}: the penalty is 1 / C, so give a C above 0")
    standard = Standard.of(x)
    # every so many-th row, which needs no copy
    sample = x[:: max(1, len(x) // SAMPLE)]
    values, vectors = torch.linalg.eigh(correlations(sample, standard))
    at = torch.zeros(len(present), x.shape[1] + 1, dtype=standard.mean.dtype, device=x.device)
    numbers = torch.searchsorted(present, y)
    at[:, -1] = (torch.bincount(numbers, minlength=len(present)) / len(y)).log().to(at)
    if len(x) >= 3 * FIRST:
        rows = slice(None, None, len(x) // FIRST)
        at = minimise(Objective(x[rows], numbers[rows], standard, Cs[0] * len(x), values, vectors), at, tol, FIRST_STEPS).at
    for C in Cs:
        found = minimise(Objective(x, numbers, standard, C * len(x), values, vectors), at, tol, iterations)
        at = found.at
        yield _probe(found, standard, present, n_classes, C, tol, len(x))


def _probe(found: Found, standard: Standard, present: Tensor, n_classes: int, C: float, tol: float, n: int) -> LinearProbe:
    """The weights in the units of the activations; a class that was never seen has no weights and no chance."""
    weight = torch.zeros(n_classes, found.at.shape[1] - 1, dtype=found.at.dtype, device=found.at.device)
    bias = torch.full((n_classes,), -torch.inf, dtype=weight.dtype, device=weight.device)
    weight[present] = found.at[:, :-1] / standard.deviation
    bias[present] = found.at[:, -1] - weight[present] @ standard.mean
    return LinearProbe(weight, bias, "logistic", n, 1 / C, found.gradient, found.iterations, found.gradient <= tol)


@dataclass(frozen=True, eq=False)
class Objective:
    """The penalised mean loss on some rows.

    Arguments:
        x: activations.
        y: the class of each row.
        standard: of the features.
        strength: C times the number of examples.
        values, vectors: the eigenvalues and eigenvectors of the features' correlations.
    """

    x: Float[Tensor, "n d"]
    y: Int[Tensor, " n"]
    standard: Standard
    strength: float
    values: Float[Tensor, " d"]
    vectors: Float[Tensor, "d d"]

    def __call__(self, at: Float[Tensor, "class column"]) -> Point:
        """Value, gradient and preconditioner in one pass.

        Arguments:
            at: V.
        """
        weight, n, K = at[:, :-1], len(self.x), len(at)
        folded, bias = (weight / self.standard.deviation).contiguous(), at[:, -1:]
        gradient, spread = torch.zeros_like(folded), torch.zeros(K, K, dtype=at.dtype, device=at.device)
        totals, loss = torch.zeros(K, dtype=torch.float64, device=at.device), 0.0
        places = torch.arange(n, device=at.device)
        for rows, block in centred(self.x, self.standard.mean):
            y, here = self.y[rows], places[: len(block)]
            p = torch.addmm(bias, folded, block.T)  # (class, row): softmax in place
            p -= p.amax(0)
            own = p[y, here].sum()
            sums = p.exp_().sum(0)
            loss += float(sums.log().sum() - own)
            p /= sums
            totals += p.sum(1)
            spread.addmm_(p, p.T)
            p[y, here] -= 1
            gradient.addmm_(p, block)
        left = (totals - torch.bincount(self.y, minlength=K)) / n
        slope = torch.cat([gradient / (n * self.standard.deviation) + weight / self.strength, left[:, None].to(at)], 1)
        penalty = float(weight.square().sum()) / (2 * self.strength)
        return Point(at, loss / n + penalty, slope, self._preconditioner(torch.diag(totals.to(at) / n) - spread / n))

    def _preconditioner(self, spread: Float[Tensor, "class other"]) -> Callable[[Tensor], Tensor]:
        """(S (x) A + penalty)^-1, in the eigenvectors of both; of the bias S^-1."""
        sizes, classes = torch.linalg.eigh(spread)
        sizes = sizes.clamp_min(float(sizes.max()) * LEAST_SPREAD)
        curvature = sizes[:, None] * self.values.clamp_min(0) + 1 / self.strength

        def precondition(direction: Tensor) -> Tensor:
            turned = classes.T @ direction
            weight = classes @ ((turned[:, :-1] @ self.vectors) / curvature) @ self.vectors.T
            return torch.cat([weight, classes @ (turned[:, -1:] / sizes[:, None])], 1)

        return precondition
