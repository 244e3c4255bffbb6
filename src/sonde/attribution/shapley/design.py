"""Which coalitions KernelSHAP asks about, and what each of them counts.

The Shapley kernel weighs a coalition of s among n players by (n - 1) / (C(n, s) s (n - s)): all coalitions of a size together have the mass
1 / (s (n - s)), so small and large ones matter most, and there are few of them. Those sizes of which the budget affords all coalitions are listed;
the others share what is left equally, which is in proportion to the leverage of their coalitions in the regression (Musco and Witter 2025), and are
drawn without replacement. A coalition always comes with its complement (Covert and Lee 2021): the Shapley value depends on half the difference of
the two alone.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Design:
    """Coalitions, one of each pair, with what they count.

    Arguments:
        sets: the coalitions, true at the players in it.
        weights: of each in the sum over all coalitions, up to one factor.
        left_out: for each the share of its size's coalitions that were not drawn: 0 where all were listed.
    """

    sets: Bool[Tensor, "pair player"]
    weights: Float[Tensor, " pair"]
    left_out: Float[Tensor, " pair"]


def design(n: int, pairs: int, seed: int) -> Design:
    """Coalitions of n players for KernelSHAP.

    Arguments:
        n: how many players.
        pairs: how many coalitions with their complements may be asked about, those of nobody and of everybody not counted; at least n.
        seed: of those that are drawn.

    >>> made = design(4, 7, 0)
    >>> made.sets.sum(1).tolist(), float(made.left_out.max())
    ([1, 1, 1, 1, 2, 2, 2], 0.0)
    """
    generator = torch.Generator().manual_seed(seed)
    count = {s: math.comb(n, s) // (2 if 2 * s == n else 1) for s in range(1, n // 2 + 1)}
    mass = {s: (1 if 2 * s == n else 2) / (s * (n - s)) for s in count}
    portion = {s: 1 if 2 * s == n else 2 for s in count}  # a pair is of two sizes, or twice of half the players
    left, open_sizes = pairs, list(count)
    # single players always: with them the regression has one solution
    while full := [s for s in open_sizes if s == 1 or left * portion[s] >= count[s] * sum(portion[t] for t in open_sizes)]:
        open_sizes.remove(full[0])  # the smallest first: what it leaves over goes to the others
        left -= count[full[0]]
    asked = dict(zip(open_sizes, _shared_out(left, [portion[s] for s in open_sizes], generator), strict=True))
    sets = [torch.zeros(0, n, dtype=torch.bool)]
    weights: list[float] = []
    left_out: list[float] = []
    for s in count:
        k = asked.get(s, count[s])
        expected = left * portion[s] / sum(portion[t] for t in open_sizes) if s in asked else count[s]
        sets.append(_of_size(n, s, k, count[s], generator))
        weights += [mass[s] / expected] * k
        left_out += [1 - k / count[s]] * k
    return Design(torch.cat(sets), torch.tensor(weights, dtype=torch.float64), torch.tensor(left_out, dtype=torch.float64))


def _shared_out(total: int, masses: list[int], generator: torch.Generator) -> list[int]:
    """Whole numbers in proportion to masses, rounded up or down at random so that each has its share on average (systematic sampling)."""
    if not masses:
        return []
    ends = torch.tensor(list(itertools.accumulate(masses)), dtype=torch.float64)
    start = torch.rand((), generator=generator, dtype=torch.float64)
    upto = (ends / ends[-1] * total - start).ceil().clamp(0, total).long()
    upto[-1] = total
    return upto.diff(prepend=torch.zeros(1, dtype=torch.long)).tolist()


def _of_size(n: int, size: int, k: int, count: int, generator: torch.Generator) -> Bool[Tensor, "set player"]:
    """So many different coalitions of one size; of half the players only those with the first one, as the complement of each comes with it."""
    if count <= 4 * k or count <= 1000:
        half = 2 * size == n
        members = [[0, *rest] for rest in itertools.combinations(range(1, n), size - 1)] if half else list(itertools.combinations(range(n), size))
        members = [members[i] for i in torch.randperm(count, generator=generator)[:k].tolist()] if k < count else members
    else:
        found: dict[tuple[int, ...], None] = {}
        while len(found) < k:
            one = torch.randperm(n, generator=generator)[:size].sort().values.tolist()
            if 2 * size == n and one[0] != 0:
                one = sorted(set(range(n)) - set(one))
            found[tuple(one)] = None
        members = list(found)
    sets = torch.zeros(k, n, dtype=torch.bool)
    for row, held in zip(sets, members, strict=True):
        row[list(held)] = True
    return sets
