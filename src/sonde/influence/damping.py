"""How a curvature is kept from being inverted where it says next to nothing.

The inverse of a curvature enlarges what its smallest eigenvalues belong to. Damping adds to them: `Absolute(c)` the same number everywhere (the ridge
c of an objective with weight decay c/2 |theta|^2 is the right one where it is known), `Relative(s)` in each block s times its mean eigenvalue
(Grosse et al. 2023, "Studying Large Language Model Generalization with Influence Functions": s = 0.1), and `Factored(s)` the same amount split
between the two factors of K-FAC (Martens and Grosse 2015, "Optimizing Neural Networks with Kronecker-factored Approximate Curvature"):
(A + pi sqrt(c) I) x (S + sqrt(c) / pi I) with pi^2 the ratio of their mean eigenvalues, so that the inverse remains a Kronecker product.
"""

import math
from dataclasses import dataclass
from typing import Any

from sonde.results import InputError, shown


@dataclass(frozen=True)
class Absolute:
    """The same number is added to every eigenvalue.

    Arguments:
        value: in units of the curvature, the square of a gradient.
    """

    value: float

    def __post_init__(self) -> None:
        _refuse(self, self.value)


@dataclass(frozen=True)
class Relative:
    """In each block a share of its mean eigenvalue is added.

    Arguments:
        share: of the mean.
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        _refuse(self, self.share)


@dataclass(frozen=True)
class Factored:
    """In each block a share of its mean eigenvalue, split between the two factors; for K-FAC.

    Arguments:
        share: of the mean.
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        _refuse(self, self.share)


Damping = Absolute | Relative | Factored


def damping_of(given: Any) -> Damping:
    """A damping from what a user gives: a number is meant absolutely.

    Arguments:
        given: a damping, or a number.

    Raises:
        InputError: anything else.

    >>> damping_of(0.01)
    Absolute(value=0.01)
    """
    if isinstance(given, Absolute | Relative | Factored):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return Absolute(float(given))
    raise InputError(f"damping={shown(given)}: give Relative(0.1), Absolute(...), Factored(...) or a number, which is meant absolutely")


def _refuse(damping: Any, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number) or number < 0:
        raise InputError(f"{type(damping).__name__}({shown(number)}): damping is a number of 0 or more")
