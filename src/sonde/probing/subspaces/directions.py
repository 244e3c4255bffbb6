"""Directions that are made, not searched for, as bases: what is read, steered and watched along them goes through the same edits as features.

The difference in means d = mean(x | class) - mean(x | not class) is the direction along which adding moves the one class' states to the other's, on
average; a probe's weights are the direction along which it reads. They are the same only where the states vary alike in all directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.bases import Subspace
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class Line:
    """A direction with the places on it where two classes stand on average.

    Arguments:
        basis: the direction, of unit length; its coordinate grows from the one class to the other.
        low, high: the mean coordinate of those without and with what it stands for.
    """

    basis: Subspace
    low: float
    high: float

    @property
    def direction(self) -> Float[Tensor, " width"]:
        """The unit vector."""
        return self.basis.directions[:, 0]

    @property
    def step(self) -> Float[Tensor, " width"]:
        """From the one mean to the other: what is added to a state to move it there."""
        return (self.high - self.low) * self.direction


def difference_in_means(x: Float[Tensor, "example width"], y: Int[Tensor, " label"], of: int = 1, name: str = "difference in means") -> Line:
    """The direction from the mean of all other examples to the mean of one class.

    Arguments:
        x: activations of the site, such as `states["blocks.2.resid_post"]`.
        y: the number of each example's class.
        of: the class to which the direction points.
        name: what its coordinate is called.

    Raises:
        InputError: a class without examples, or with all of them; means that are alike.

    >>> x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [3.0, 4.0], [5.0, 4.0]])
    >>> line = difference_in_means(x, torch.tensor([0, 0, 1, 1]))
    >>> line.direction, round(line.high - line.low, 3)
    (tensor([0.6000, 0.8000]), 5.0)
    """
    _refuse(x, y, of)
    means = [x[rows].double().mean(0) for rows in (y != of, y == of)]
    return _line(means[1] - means[0], x, y == of, name)


def probe_direction(
    weights: Float[Tensor, " entry"], x: Float[Tensor, "example width"], y: Int[Tensor, " label"], of: int = 1, name: str = "probe"
) -> Line:  # fmt: skip
    """The direction along which a linear probe reads, with the places where its classes stand.

    Arguments:
        weights: the probe's, in the units of the site (divide by the deviations where it reads standardised activations).
        x: activations of the site.
        y: the number of each example's class.
        of: the class to which the weights point.
        name: what its coordinate is called.

    Raises:
        InputError: weights of another width or of no length, or a class without examples.
    """
    _refuse(x, y, of)
    if weights.shape != x.shape[1:]:
        raise InputError(f"weights of {len(weights)} entries for activations of {x.shape[1]}: give the weights of this site")
    return _line(weights.double(), x, y == of, name)


def span_of(lines: Sequence[Line]) -> Subspace:
    """The span of several directions; the first coordinate is along the first of them.

    Arguments:
        lines: none of them in the span of the others.
    """
    return Subspace.span(torch.stack([line.direction for line in lines]), [name for line in lines for name in line.basis.names])


def _refuse(x: Tensor, y: Tensor, of: int) -> None:
    """Raise `InputError` unless some examples are of the class and some are not."""
    if len(x) != len(y):
        raise InputError(f"{len(x)} activations and {len(y)} classes: give one of each for each example")
    if not (y == of).any() or (y == of).all():
        raise InputError(f"of={of}: {int((y == of).sum())} of {len(y)} examples are of this class; a direction needs some of it and some others")


def _line(direction: Float[Tensor, " width"], x: Tensor, inside: Tensor, name: str) -> Line:
    if not float(direction.norm()) > 1e-9 * float(x.double().norm(dim=1).mean()):
        raise InputError(f"{name}: the direction has no length, both sides are alike at this site")
    basis = Subspace.span(direction.float(), [name])
    c = basis.encode(x)[:, 0]
    return Line(basis, float(c[~inside].mean()), float(c[inside].mean()))
