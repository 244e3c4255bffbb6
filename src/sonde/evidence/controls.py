"""What a finding is compared with: the same measure where nothing should be found."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

T = TypeVar("T")


def random_sets(candidates: Sequence[T], size: int, n: int, seed: int, weights: Sequence[float] | None = None) -> list[tuple[T, ...]]:
    """Random sets of a given size, drawn independently, so that a found set can be compared with sets that were not searched for.

    Where sets are matched in more than size (so many heads, so many MLPs), draw each kind apart and join them.

    Arguments:
        candidates: what the found set was chosen from.
        size: members per set.
        n: how many sets.
        seed: of the draws.
        weights: how likely each candidate is to be drawn next; equal where missing.

    Returns:
        `n` sets, each in the candidates' order.

    Raises:
        InputError: where there are fewer candidates than `size`, counting only those of positive weight.

    >>> random_sets(["0.0", "0.1", "1.0", "1.1"], size=2, n=3, seed=0)
    [('0.1', '1.0'), ('1.0', '1.1'), ('0.1', '1.1')]
    """
    chances = torch.ones(len(candidates)) if weights is None else torch.as_tensor(weights, dtype=torch.float32)
    if len(chances) != len(candidates) or not bool((chances >= 0).all()):
        raise InputError(f"{len(chances)} weights for {len(candidates)} candidates; give one weight of 0 or more for each")
    drawable = int((chances > 0).sum())
    if not 0 <= size <= drawable:
        raise InputError(f"no set of {size} can be drawn from {drawable} candidates; ask for a smaller set")
    if size == 0:
        return [()] * n
    generator = torch.Generator().manual_seed(seed)
    picks = torch.multinomial(chances.expand(n, -1), size, replacement=False, generator=generator)
    return [tuple(candidates[i] for i in sorted(row)) for row in picks.tolist()]


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
