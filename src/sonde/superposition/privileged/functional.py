"""Does a function care which directions are the axes? Turned input, turned back output: the same, where the basis is not privileged.

For a turn R drawn at random, and vectors as rows,

    change = |f(x R) R^T - f(x)| / |f(x)|

is 0 for every x where f treats all directions alike (a multiple of the identity, a norm by length without gains): whoever turns the weights before
and behind it has the same network. A nonlinearity that acts on each coordinate does not (the neurons of an MLP, the channels of a convolution).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import random_rotation
from sonde.results import InputError


def turned_function(
    f: Callable[[Float[Tensor, "state d"]], Float[Tensor, "state d"]], x: Float[Tensor, "state d"], rotations: int = 10, seed: int = 0
) -> Float[Tensor, "draw state"]:  # fmt: skip
    """Measure how much turning a function's space changes what it does.

    Arguments:
        f: from vectors to vectors of the same space: an activation, a norm, a layer.
        x: vectors that it gets.
        rotations: drawn at random.
        seed: of the draws.

    Returns:
        The change for each turn and vector, as a share of the length of f(x).

    Raises:
        InputError: vectors that are not finite, or too few dimensions; a function that leads to another space, or gives no length; no rotation.

    >>> x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    >>> bool(turned_function(torch.relu, x).mean() > 0.2), bool(turned_function(lambda v: 3 * v, x).max() < 1e-5)
    (True, True)
    """
    if x.ndim != 2 or x.shape[1] < 2 or not x.isfinite().all() or rotations < 1:
        raise InputError(f"x of {tuple(x.shape)}, rotations={rotations}: give finite vectors (state, dimension) of two or more, and one rotation")
    with torch.no_grad():
        plain = f(x)
        if plain.shape != x.shape:
            raise InputError(f"the function leads from {tuple(x.shape)} to {tuple(plain.shape)}: only within one space can it be turned back")
        length = plain.norm(dim=-1)
        if not bool((length > 0).all()):
            raise InputError("the function gives no length for some of these vectors: leave them out")
        turns = [random_rotation(x.shape[1], seed * 10_007 + k).to(x) for k in range(rotations)]
        return torch.stack([(f(x @ turn) @ turn.T - plain).norm(dim=-1) / length for turn in turns])
