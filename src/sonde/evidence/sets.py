"""Random sets of components: a found set is compared with sets that nobody searched for."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import torch

from sonde.results import InputError

T = TypeVar("T")


def random_sets(candidates: Sequence[T], size: int, n: int, seed: int, weights: Sequence[float] | None = None) -> list[tuple[T, ...]]:
    """Random sets of a given size, drawn independently.

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


def matched_sets(found: Iterable[T], candidates: Sequence[T], like: Callable[[T], Hashable], n: int, seed: int) -> list[tuple[T, ...]]:
    """Random sets with as many members of each kind as a found set has: as many in each layer, or as many heads and as many MLPs.

    Where a set lies in depth decides much of what it does: sets of the same size from all layers are then too weak a control.

    Arguments:
        found: the set to be compared with.
        candidates: what it was chosen from.
        like: the kind of a candidate, such as its layer.
        n: how many sets.
        seed: of the draws.

    Returns:
        `n` sets, each in the candidates' order.

    Raises:
        InputError: the found set has more members of a kind than there are candidates.

    >>> matched_sets(["0.1", "2.0"], ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"], like=lambda head: head[0], n=3, seed=0)
    [('0.1', '2.0'), ('0.0', '2.1'), ('0.0', '2.0')]
    """
    parts = []
    for i, (kind, size) in enumerate(Counter(map(like, found)).items()):
        pool = [place for place, one in enumerate(candidates) if like(one) == kind]
        # a seed of its own for each kind, or kinds of one size would draw the same places
        parts.append(random_sets(pool, size, n, seed + i * 1_000_003))
    return [tuple(candidates[place] for place in sorted(sum(drawn, ()))) for drawn in zip(*parts, strict=True)] if parts else [()] * n
