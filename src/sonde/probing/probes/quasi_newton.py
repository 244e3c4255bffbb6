"""L-BFGS with a preconditioner: for smooth convex functions of a matrix whose every value costs a pass over all data.

Nocedal and Wright 2006, "Numerical optimization", algorithm 7.4. Where the two-loop recursion multiplies by a multiple of the identity, the
preconditioner P stands, scaled by s^T y / (y^T P y) of the last step; with a P near the inverse Hessian the first steps are Newton's.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

ENOUGH = 1e-4  # of the decrease that the slope promises: Armijo's condition
HALVINGS = 20


class Point(NamedTuple):
    """A value of the function.

    Arguments:
        at: where.
        loss: the value.
        gradient: there.
        precondition: multiplies by about the inverse of the Hessian there.
    """

    at: Float[Tensor, "row column"]
    loss: float
    gradient: Float[Tensor, "row column"]
    precondition: Callable[[Tensor], Tensor]


class Found(NamedTuple):
    """Where the search ended.

    Arguments:
        at: the best place.
        loss: the value there.
        gradient: the largest entry of the gradient there.
        iterations: how many steps were made.
    """

    at: Float[Tensor, "row column"]
    loss: float
    gradient: float
    iterations: int


def minimise(function: Callable[[Tensor], Point], start: Float[Tensor, "row column"], tol: float, most: int, memory: int = 10) -> Found:
    """Go downhill until no entry of the gradient exceeds the tolerance.

    Arguments:
        function: its value at a place.
        start: where the search begins.
        tol: the largest entry of the gradient at which it ends.
        most: steps that are made at most.
        memory: steps that are remembered.
    """
    here = function(start)
    steps: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=memory)
    for iteration in range(most):
        if float(here.gradient.abs().max()) <= tol:
            return Found(here.at, here.loss, float(here.gradient.abs().max()), iteration)
        direction = _direction(here, steps)
        slope = float((direction * here.gradient).sum())
        length = 1.0
        # rounding hides decreases below a ten-millionth of the value
        noise = 4 * torch.finfo(here.at.dtype).eps * abs(here.loss)
        for _ in range(HALVINGS):
            there = function(here.at - length * direction)
            if there.loss <= here.loss - ENOUGH * length * slope + noise:
                break
            length /= 2
        else:
            return Found(here.at, here.loss, float(here.gradient.abs().max()), iteration)
        step, change = there.at - here.at, there.gradient - here.gradient
        curvature = float((step * change).sum())
        if curvature > 0:
            steps.append((step, change, curvature))
        here = there
    return Found(here.at, here.loss, float(here.gradient.abs().max()), most)


def _direction(here: Point, steps: "deque[tuple[Tensor, Tensor, float]]") -> Tensor:
    """The two-loop recursion: about the inverse Hessian times the gradient."""
    rest = here.gradient.clone()
    shares = []
    for step, change, curvature in reversed(steps):
        shares.append(float((step * rest).sum()) / curvature)
        rest -= shares[-1] * change
    found = here.precondition(rest)
    if steps:
        _, change, curvature = steps[-1]
        found = found * (curvature / float((change * here.precondition(change)).sum()))
    for (step, change, curvature), share in zip(steps, reversed(shares), strict=True):
        found = found + (share - float((change * found).sum()) / curvature) * step
    return found
