"""How alike two maps are: rank correlation with and without signs, and the structural similarity of pictures.

The choice decides verdicts. Methods that multiply by the input keep its outline whatever the weights are, so that maps without signs stay alike while
signed ones have nothing in common (Adebayo et al. 2018 and what followed): every number is told with the name of its measure.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from sonde.evidence import spearman
from sonde.results import InputError

SIGNED, ABSOLUTE, SSIM = "signed rank correlation", "absolute rank correlation", "SSIM"
MEASURES = (SIGNED, ABSOLUTE, SSIM)

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004
K1, K2 = 0.01, 0.03


def similarities(a: Float[Tensor, " place"], b: Float[Tensor, " place"], shape: tuple[int, ...] = ()) -> Float[Tensor, "measure"]:
    """Two maps of the same places by every measure of `MEASURES`; NaN where one is constant, for nothing can be said of its order.

    Arguments:
        a, b: the maps.
        shape: the rows and columns of a picture; empty where the places are no picture, which has no SSIM.

    >>> a = torch.tensor([1.0, -2.0, 3.0, -4.0])
    >>> similarities(a, -a).tolist()[:2]
    [-1.0, 1.0]
    """
    structural = ssim(a.view(shape), b.view(shape)) if len(shape) == 2 else float("nan")
    return torch.tensor([float(spearman(a, b)), float(spearman(a.abs(), b.abs())), structural])


def ssim(a: Float[Tensor, "row col"], b: Float[Tensor, "row col"], window: int = WINDOW) -> float:
    """The structural similarity of two maps, each scaled so that its largest size is 1, its signs kept.

        (2 mu_a mu_b + c1) (2 s_ab + c2) / ((mu_a^2 + mu_b^2 + c1) (s_a^2 + s_b^2 + c2))

    in Gaussian windows, the mean over the places where a whole window fits (Wang et al. 2004, with c = (K L)^2 for values from -1 to 1).

    Arguments:
        a, b: the maps.
        window: the window's side, cut to the largest odd number that fits.

    Returns:
        1 for equal maps; NaN where one of them is constant.

    Raises:
        InputError: maps of different shapes.

    >>> a = torch.arange(64.0).view(8, 8).sin()
    >>> round(ssim(a, 2 * a), 6), ssim(a, -a) < 0
    (1.0, True)
    """
    if a.shape != b.shape:
        raise InputError(f"maps of {tuple(a.shape)} and {tuple(b.shape)} can't be compared place by place")
    if bool((a == a[0, 0]).all()) or bool((b == b[0, 0]).all()):
        return float("nan")
    side = min(window, *a.shape)
    side -= 1 - side % 2
    places = torch.arange(side, dtype=torch.float64) - side // 2
    bell = torch.exp(-places.square() / (2 * SIGMA**2))
    kernel = (bell[:, None] * bell / bell.sum() ** 2)[None, None]
    x, y = (one.double() / one.double().abs().max() for one in (a, b))
    means = conv2d(torch.stack([x, y, x * x, y * y, x * y])[:, None], kernel)[:, 0]
    mu_x, mu_y = means[0], means[1]
    var_x, var_y, cov = means[2] - mu_x**2, means[3] - mu_y**2, means[4] - mu_x * mu_y
    c1, c2 = (K1 * 2) ** 2, (K2 * 2) ** 2
    return float(((2 * mu_x * mu_y + c1) * (2 * cov + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))).mean())
