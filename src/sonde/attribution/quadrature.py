"""Points and weights of integrals from 0 to 1. Every rule is symmetric: the way back is the way there.

With `steps` points, Gauss-Legendre's rule is exact for polynomials up to degree 2 steps - 1; the midpoint and trapezoid rules are safer where a
function has kinks, as a network of ReLUs has. Kronrod's rule puts 8 points between the 7 of Gauss and is exact up to degree 22, so that the same 15
values give an integral and a second opinion on it (Kronrod 1965).
"""

from typing import Literal

import numpy as np

from sonde.results import InputError

Rule = Literal["gauss", "midpoint", "trapezoid"]


def points(rule: Rule, steps: int) -> tuple[list[float], list[float]]:
    """Where a rule looks, and how much each look counts.

    Arguments:
        rule: its name.
        steps: how many points; the trapezoid rule, which looks at both ends, needs two.

    Returns:
        Points from 0 to 1, and weights that sum to 1.

    Raises:
        InputError: another rule, or too few points.

    >>> points("midpoint", 2)
    ([0.25, 0.75], [0.5, 0.5])
    >>> points("trapezoid", 3)
    ([0.0, 0.5, 1.0], [0.25, 0.5, 0.25])
    """
    if rule not in ("gauss", "midpoint", "trapezoid"):
        raise InputError(f"rule={rule!r}: use 'gauss', 'midpoint' or 'trapezoid'")
    least = 2 if rule == "trapezoid" else 1
    if steps < least:
        raise InputError(f"steps={steps}: integrate over at least {least} point{'s' * (least > 1)}")
    if rule == "gauss":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()  # from [-1, 1] to [0, 1]
    if rule == "midpoint":
        return ((np.arange(steps) + 0.5) / steps).tolist(), [1 / steps] * steps
    inner = 1 / (steps - 1)
    return np.linspace(0, 1, steps).tolist(), [inner / 2, *[inner] * (steps - 2), inner / 2]


def kronrod() -> tuple[list[float], list[float], list[float]]:
    """Kronrod's rule on 15 points, and that of Gauss on every second of them.

    Returns:
        Points from 0 to 1, their weights, and the weights of Gauss's rule, 0 at Kronrod's own points.

    >>> points, fine, coarse = kronrod()
    >>> len(points), round(sum(fine), 12), round(sum(coarse), 12)
    (15, 1.0, 1.0)
    """
    nodes = np.array([*_NODES, *(-x for x in _NODES[-2::-1])])
    fine = np.array([*_WEIGHTS, *_WEIGHTS[-2::-1]])
    coarse = np.zeros(len(nodes))
    coarse[1::2] = np.polynomial.legendre.leggauss(7)[1]
    return ((nodes + 1) / 2).tolist(), (fine / 2).tolist(), (coarse / 2).tolist()


# on [-1, 1], up to the middle
_NODES = (
    -0.991455371120812639206854697526329, -0.949107912342758524526189684047851, -0.864864423359769072789712788640926,
    -0.741531185599394439863864773280788, -0.586087235467691130294144838258730, -0.405845151377397166906606412076961,
    -0.207784955007898467600689403773245, 0.0,
)  # fmt: skip
_WEIGHTS = (
    0.022935322010529224963732008058970, 0.063092092629978553290700663189204, 0.104790010322250183839876322541518,
    0.140653259715525918745189590510238, 0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
    0.204432940075298892414161999234649, 0.209482141084727828012999174891714,
)  # fmt: skip
