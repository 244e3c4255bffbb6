"""Random directions and bases: what any direction of that length and spread does, a found one must exceed.

Projecting a unit direction u out of states with covariance C removes the variance u^T C u. In a space where few directions hold most of the
variance, a uniform direction removes next to none, and is too weak a control for one that was found where the variance is.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

HALVINGS = 60  # of an interval of exponents: more than float64 can tell apart
LARGEST = 1e6  # exponent: eigenvalues that differ by a millionth are told apart


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
    covariance = torch.cov(states.double().T).reshape(len(unit), len(unit))
    wanted = float(unit @ covariance @ unit)
    if not wanted > 0:
        raise InputError("the states do not vary along the direction, so nothing can be matched to it; give the states of its own site")
    matched: Tensor = matched_subspaces(wanted, 1, covariance, n, seed)[..., 0] * direction.double().norm()
    return matched.float()


def matched_subspaces(
    variance: float, rank: int, covariance: Float[Tensor, "d d"], n: int, seed: int
) -> Float[Tensor, "n d rank"]:  # fmt: skip
    """Random orthonormal directions whose projection removes a given variance, tr(Q^T C Q): the control for a removed subspace.

    Drawn as `matched_directions` draws one, with one exponent t for all directions of a draw, which are then made orthonormal.

    Arguments:
        variance: what the found projection removes, its mean squared change.
        rank: how many directions.
        covariance: of the states, C.
        n: how many draws.
        seed: of the draws.

    Returns:
        Orthonormal columns, float64. Where no projection of this rank removes so little or so much, the one that comes nearest.

    Raises:
        InputError: the states vary along fewer directions.

    >>> covariance = torch.diag(torch.arange(1.0, 9.0))
    >>> q = matched_subspaces(12.5, 2, covariance, n=3, seed=0)
    >>> (q.mT @ covariance.double() @ q).diagonal(dim1=1, dim2=2).sum(1)
    tensor([12.5000, 12.5000, 12.5000], dtype=torch.float64)
    """
    values, vectors = torch.linalg.eigh(covariance.double())
    # directions in which the states do not vary at all take no part
    kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
    if int(kept.sum()) < rank:
        raise InputError(f"the states vary along {int(kept.sum())} directions, and {rank} are to be removed: give more states of the same site")
    values, vectors = values[kept], vectors[:, kept]
    drawn = torch.randn(n, len(values), rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    logs = values.log()
    # of the `rank` greatest (for t < 0: least) eigenvalues none is favoured: the limit is their span, which directions run to one by one otherwise
    up, down = (logs - logs[-rank]).clamp(max=0), (logs - logs[rank - 1]).clamp(min=0)
    low, high = torch.full((n, 1), -LARGEST, dtype=torch.float64), torch.full((n, 1), LARGEST, dtype=torch.float64)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        more = ((_tilted(drawn, up, down, middle).square().sum(2) @ values) < variance)[:, None]
        low, high = torch.where(more, middle, low), torch.where(more, high, middle)
    found: Tensor = vectors @ _tilted(drawn, up, down, (low + high) / 2)
    return found


def _tilted(
    drawn: Float[Tensor, "n k rank"], up: Float[Tensor, " k"], down: Float[Tensor, " k"], t: Float[Tensor, "n 1"]
) -> Float[Tensor, "n k rank"]:  # fmt: skip
    """g_k l_k^t made orthonormal, the first column along itself."""
    q, r = torch.linalg.qr(drawn * (t * torch.where(t > 0, up, down)).exp()[..., None])
    tilted: Tensor = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
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
