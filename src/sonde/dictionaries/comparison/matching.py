"""Which latent of the one basis is which of the other, and which split: read off all pairs, some latents at a time.

Shape legend: A and B latents of the two bases.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from sonde.access import Basis
from sonde.bases import directions
from sonde.dictionaries.comparison.results import Side
from sonde.dictionaries.comparison.together import Block, Together
from sonde.dictionaries.evaluation.recovery import MOST, cosines, matched
from sonde.results import InputError

SPLIT_COSINE = 0.6
SPLIT_COFIRING = 0.5
LIFT = 2.0
"""A parent is active in its child's presence at least so many times as often as otherwise: one that is nearly always active is nobody's parent."""
LEAST_FIRINGS = 10
"""A latent that is active less often is too rare to be matched."""

Angles = tuple[Float[Tensor, "a width"], Float[Tensor, "b width"]]


def angles(a: Basis, b: Basis) -> Angles | None:
    """The directions of both, where they lie in one space.

    Arguments:
        a, b: the bases.
    """
    try:
        one, other = directions(a).detach().cpu(), directions(b).detach().cpu()
    except InputError:
        return None
    return (one, other) if one.shape[1] == other.shape[1] else None


def best_correlation(together: Together, least: int = LEAST_FIRINGS) -> Float[Tensor, " a"]:
    """The best correlation of each latent of the first basis; nan where it is too rare to tell.

    Arguments:
        together: the codes of both.
        least: how often a latent of the first must be active.
    """
    best = torch.cat([block.correlation.max(1).values for block in together.blocks()])
    return torch.where(together.firings()[0] >= least, best, torch.nan)


@dataclass(eq=False)
class Seen:
    """What was seen of the pairs so far.

    Arguments:
        fires: in how many rows each latent is active, of both.
        rows: how many there are.
    """

    fires: tuple[Tensor, Tensor]
    rows: int

    def __post_init__(self) -> None:
        size = len(self.fires[1])
        self.rare = [firings < LEAST_FIRINGS for firings in self.fires]
        self.first: list[tuple[Tensor, Tensor]] = []
        self.second = torch.full((size,), -torch.inf), torch.zeros(size, dtype=torch.long)
        self.nearest: tuple[list[Tensor], Tensor] = ([], torch.full((size,), -1.0))
        self.edges: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, block: Block, cosine: Tensor | None) -> None:
        """Take in some latents of the first basis with all of the second."""
        here = slice(block.start, block.start + len(block.correlation))
        best = block.correlation.masked_fill(self.rare[1][None], -torch.inf).max(1)
        self.first.append((best.values, best.indices))
        top = block.correlation.masked_fill(self.rare[0][here][:, None], -torch.inf).max(0)
        better = top.values > self.second[0]
        self.second[0][better], self.second[1][better] = top.values[better], top.indices[better] + block.start
        cofiring = block.shared / self.fires[1].clamp(min=1).float()
        alone = (self.fires[0][here] / self.rows).float()[:, None]
        child = (cofiring > SPLIT_COFIRING) & (cofiring >= LIFT * alone) & ~self.rare[1][None]
        if cosine is not None:
            self.nearest[0].append(cosine.max(1).values)
            torch.maximum(self.nearest[1], cosine.max(0).values, out=self.nearest[1])
            child = child | (cosine > SPLIT_COSINE)
        of_child = torch.full((int(child.sum()),), torch.nan) if cosine is None else cosine[child]
        self.edges.append((child.nonzero() + torch.tensor([block.start, 0]), of_child, cofiring[child]))

    def sides(self, known: Angles | None) -> tuple[Side, Side]:
        """Each basis seen from the other."""
        best = tuple(torch.cat(each) for each in zip(*self.first, strict=True)), self.second
        nearest = torch.cat([torch.zeros(0), *self.nearest[0]]), self.nearest[1]
        sides = []
        for i, (values, match) in enumerate(best):
            correlation = torch.where(self.rare[i] | values.isinf(), torch.nan, values)
            if known is None:
                sides.append(Side(self.fires[i], match, correlation, torch.zeros(0), torch.zeros(0)))
                continue
            angle = cosine_similarity(known[i].float(), known[1 - i].float()[match], dim=1)
            sides.append(Side(self.fires[i], match, correlation, angle, nearest[i]))
        return sides[0], sides[1]


def matches(together: Together, known: Angles | None) -> dict[str, Any]:
    """The fields of a `Comparison` that are read off the pairs.

    Arguments:
        together: the codes of both.
        known: the directions of both, where they lie in one space.
    """
    seen = Seen(together.firings(), len(together.a))
    small = max(together.a.size, together.b.size) <= MOST
    correlations, all_cosines = [], []
    for block in together.blocks():
        cosine = None if known is None else cosines(known[0][block.start : block.start + len(block.correlation)], known[1])
        seen.update(block, cosine)
        if small:
            correlations.append(block.correlation)
            all_cosines += [] if cosine is None else [cosine.abs()]
    pairs, paired, mcc = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0), float("nan")
    if small:
        whole = torch.cat(correlations)
        pairs = torch.stack(matched(whole), 1)
        paired = whole[pairs[:, 0], pairs[:, 1]]
    if all_cosines:
        near = torch.cat(all_cosines)
        mcc = float(near[matched(near)].mean())
    first, second = seen.sides(known)
    splits, split_cosine, split_cofiring = (torch.cat(each) for each in zip(*seen.edges, strict=True))
    return {
        "first": first, "second": second, "pairs": pairs, "pair_correlation": paired, "mcc": mcc, "splits": splits, "split_cosine": split_cosine,
        "split_cofiring": split_cofiring, "notes": () if small else (f"more than {MOST} latents are not matched one to one",),
    }  # fmt: skip
