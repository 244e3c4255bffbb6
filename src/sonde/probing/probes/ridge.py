"""Ridge regression in closed form: W = (A + penalty I)^-1 B, A the correlations of the standardised features and B theirs with the targets.

Classes are told by the largest of their scores, each fitted to 1 for its own examples and 0 for all others. One eigendecomposition of A serves all
penalties: in its eigenvectors W is B's row divided by (value + penalty).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from sonde.probing.probes.linear import LinearProbe, numbered_classes
from sonde.probing.probes.moments import Standard, centred
from sonde.results import InputError


def fit_ridge(x: Float[Tensor, "n d"], y: Shaped[Tensor, " n"], n_classes: int | None = None, penalty: float = 1e-3) -> LinearProbe:
    """Fit one probe, of classes or of a number.

    Arguments:
        x: activations, one row per example.
        y: the class of each from 0 on (int64), or a number (float).
        n_classes: how many classes there are; the largest of `y` and those below it if not given.
        penalty: of the squared weights of standardised features, beside the mean squared error; 0 for plain least squares.

    Raises:
        InputError: fewer than two classes, one value only, rows that do not fit the targets, or values that are not finite.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> fit_ridge(x, torch.tensor([1.0, 3.0, 5.0]), penalty=0.0).predict(torch.tensor([[3.0]]))
    tensor([7.])
    """
    return ridge_path(x, y, n_classes, [penalty])[0]


def ridge_path(
    x: Float[Tensor, "n d"], y: Shaped[Tensor, " n"], n_classes: int | None = None, penalties: Sequence[float] = (1e-3,)
) -> list[LinearProbe]:  # fmt: skip
    """Fit a probe under each of several penalties.

    Arguments:
        x: activations, one row per example.
        y: the class of each from 0 on (int64), or a number (float).
        n_classes: how many classes there are; the largest of `y` and those below it if not given.
        penalties: of the squared weights.

    Raises:
        InputError: as for `fit_ridge`.
    """
    if min(penalties) < 0:
        raise InputError(f"penalty={min(penalties):g}: a penalty is 0 or more")
    number = y.is_floating_point()
    if number:
        refuse_numbers(x, y)
        targets = y.double()[:, None]
    else:
        n_classes, _ = numbered_classes(x, y, n_classes)
        targets = torch.nn.functional.one_hot(y, n_classes).double()
    standard = Standard.of(x)
    mean = targets.mean(0)
    gram = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
    products = torch.zeros(x.shape[1], targets.shape[1], dtype=torch.float64, device=x.device)
    for rows, block in centred(x, standard.mean):
        gram += block.T @ block
        products += block.T.double() @ (targets[rows] - mean)
    deviation = standard.deviation.double()
    values, vectors = torch.linalg.eigh(gram / (len(x) * deviation * deviation[:, None]))
    turned = vectors.T @ (products / (len(x) * deviation[:, None]))
    # directions in which the features do not vary at all: they are left out, as the least solution does
    least = float(values[-1].clamp_min(0)) * len(values) * torch.finfo(standard.mean.dtype).eps
    probes = []
    for penalty in penalties:
        inverse = torch.where(values > least, 1 / (values.clamp_min(0) + penalty).clamp_min(1e-300), 0.0)
        weight = (vectors @ (inverse[:, None] * turned) / deviation[:, None]).T
        bias = mean - weight @ standard.mean.double()
        kind = "linear" if number else "ridge"
        probes.append(LinearProbe(weight.to(standard.mean), bias.to(standard.mean), kind, len(x), penalty * len(x)))
    return probes


def refuse_numbers(x: Float[Tensor, "n d"], y: Float[Tensor, " n"]) -> None:
    """Raise `InputError` for numbers that do not fit the rows, are not finite, or are all the same."""
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise InputError(f"numbers {tuple(y.shape)} do not fit activations {tuple(x.shape)}: give one number for each row")
    if not bool(y.isfinite().all()):
        raise InputError(f"{int((~y.isfinite()).sum())} of {len(y)} numbers to be told are not finite; leave these examples out")
    if len(y) < 2 or float(y.min()) == float(y.max()):
        raise InputError(f"all {len(y)} numbers to be told are {float(y[0]):g}: there is nothing to tell apart")
