"""Random directions and bases: what any direction of that length and spread does, a found one must exceed.

Projecting a unit direction u out of states with covariance C removes the variance u^T C u. In a space where few directions hold most of the
variance, a uniform direction removes next to none, and is too weak a control for one that was found where the variance is.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

HALVINGS = 60  # of an interval of exponents: more than float64 can tell apart


def random_directions(d: int, n: int, seed: int) -> Float[Tensor, "n d"]:
    """Unit vectors, uniform on the sphere; multiply by a found direction's norm to match it.

    Arguments:
        d: the dimension.
        n: how many.
        seed: of the draws.

    >>> torch.allclose(random_directions(16, n=4, seed=0).norm(dim=1), torch.ones(4))
    True
    """
    drawn = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1).float()


def matched_directions(direction: Float[Tensor, " d"], states: Float[Tensor, "state d"], n: int, seed: int) -> Float[Tensor, "n d"]:
    """Random vectors as long as a found one, along which the states vary as much: to remove, add or read them changes as much.

    Of a random vector g in the eigenbasis of the states' covariance, with eigenvalues l, entry k is multiplied by l_k^t. The variance along the
    result grows with t, from the least eigenvalue to the greatest, so one t gives the variance wanted; it is found by halving.

    Arguments:
        direction: the found one.
        states: activations at its site.
        n: how many.
        seed: of the draws.

    Raises:
        InputError: the states do not vary along the direction, or it is zero.

    >>> states = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 9.0)
    >>> found = torch.eye(8)[6]
    >>> (states @ matched_directions(found, states, n=3, seed=0).T).var(0) / (states @ found).var()
    tensor([1., 1., 1.])
    """
    unit = direction.double() / direction.double().norm()
    values, vectors = torch.linalg.eigh(torch.cov(states.double().T).reshape(len(unit), len(unit)))
    wanted = float((unit @ vectors).square() @ values)
    # directions in which the states do not vary at all take no part
    kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
    if not wanted > 0 or not bool(kept.any()):
        raise InputError("the states do not vary along the direction, so nothing can be matched to it; give the states of its own site")
    values, vectors = values[kept], vectors[:, kept]
    drawn = torch.randn(n, len(values), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    logs = values.log() - values[-1].log()
    low, high = torch.full((n, 1), -1e3, dtype=torch.float64), torch.full((n, 1), 1e3, dtype=torch.float64)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        more = (_tilted(drawn, logs, middle).square() @ values)[:, None] < wanted
        low, high = torch.where(more, middle, low), torch.where(more, high, middle)
    matched: Tensor = _tilted(drawn, logs, (low + high) / 2) @ vectors.T * direction.double().norm()
    return matched.float()


def _tilted(drawn: Float[Tensor, "n k"], logs: Float[Tensor, " k"], t: Float[Tensor, "n 1"]) -> Float[Tensor, "n k"]:
    """g_k l_k^t at unit length, through logarithms, which large t does not overflow."""
    sizes = drawn.abs().log() + t * logs
    tilted: Tensor = torch.nn.functional.normalize(drawn.sign() * (sizes - sizes.max(1, keepdim=True).values).exp(), dim=1)
    return tilted


def random_rotation(d: int, seed: int) -> Float[Tensor, "d d"]:
    """An orthogonal matrix, uniform among all of them: a basis that means nothing but keeps every length and angle.

    QR of a normal matrix, with the signs that make it uniform (Mezzadri 2007).

    Arguments:
        d: the dimension.
        seed: of the matrix.

    >>> rotation = random_rotation(16, seed=0)
    >>> torch.allclose(rotation @ rotation.T, torch.eye(16), atol=1e-5)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    rotation: Tensor = q * r.diagonal().sign()
    return rotation.float()
