"""Into how many groups do points fall? One, unless a partition is better than those of one Gaussian cloud of the same shape.

Of the first principal components, partitions by k-means (Lloyd 1982) into two to six groups; the best by its silhouette (Rousseeuw 1987),

    s = mean over points of (b - a) / max(a, b),

a and b the mean distances to the own and to the nearest other group. The same best is taken of Gaussian clouds with the same variance along each
component; the points fall into groups if they exceed the 95 % quantile of these, and .5, below which a partition is weak and may be artificial
(Kaufman & Rousseeuw 1990). The second is needed: a rectified layer's noise is no Gaussian cloud, and passed the first in 17 of 24 trials.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

COMPONENTS, MOST_GROUPS, RESTARTS, STEPS = 5, 6, 3, 10
CERTAIN, SUBSTANTIAL = 0.95, 0.5


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of some points.

    Arguments:
        count: how many; 1 where no partition is better than chance.
        group: of each point, the largest group first.
        silhouette: of the best partition, whether it counts or not.
        cut: what 5 % of Gaussian clouds exceed, or .5 where that is more.
        places: the points along the principal components.
    """

    count: int
    group: Int[Tensor, " point"]
    silhouette: float
    cut: float
    places: Float[Tensor, "point component"]


def grouped(points: Float[Tensor, "point width"], draws: int = 100, seed: int = 0) -> Groups:
    """Find the groups of points, and what chance gives.

    Arguments:
        points: any; their order and that of their axes do not matter.
        draws: of the null.
        seed: of it, and of where k-means starts.

    >>> far = torch.cat([torch.randn(30, 4), torch.randn(30, 4) + 20])
    >>> grouped(far, draws=40).count
    2
    """
    generator = torch.Generator().manual_seed(seed)
    centred = points.double() - points.double().mean(0)
    if len(points) < 2 * MOST_GROUPS or not float(centred.abs().max()):
        return Groups(1, torch.zeros(len(points), dtype=torch.int64), float("nan"), float("nan"), torch.zeros(len(points), 1))
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    # components have no sign of their own: one that does not hang on the order of axes
    u = u * u.gather(0, u.abs().argmax(0, keepdim=True)).sign()
    kept = s[:COMPONENTS] > 1e-9 * s[0]
    places = (u[:, :COMPONENTS] * s[:COMPONENTS])[:, kept].float()
    spread = places.std(0)
    best, count, group = _best(places[None], generator)
    clouds = torch.randn(draws, *places.shape, generator=generator) * spread
    cut = float(torch.cat([_best(some, generator)[0] for some in clouds.split(20)]).quantile(CERTAIN))
    cut = max(cut, SUBSTANTIAL)
    if float(best[0]) <= cut:
        return Groups(1, torch.zeros(len(points), dtype=torch.int64), float(best[0]), cut, places)
    size = torch.bincount(group[0], minlength=int(count[0]))
    rank = torch.empty_like(size)
    rank[size.argsort(descending=True, stable=True)] = torch.arange(len(size))
    return Groups(int((size > 0).sum()), rank[group[0]], float(best[0]), cut, places)


def silhouettes(apart: Float[Tensor, "cloud point other"], group: Int[Tensor, "cloud point"], count: int) -> Float[Tensor, "cloud point"]:
    """How much nearer each point lies to its own group than to the next one, from -1 to 1; 0 of one that is alone."""
    member = torch.nn.functional.one_hot(group, count).float()
    size = member.sum(1)
    total = apart @ member
    own = (total * member).sum(2) / (size.gather(1, group) - 1).clamp(min=1)
    mean = (total / size[:, None].clamp(min=1)).masked_fill((member > 0) | (size[:, None] == 0), torch.inf)
    other = mean.amin(2)
    alone = (size.gather(1, group) <= 1) | other.isinf()
    return torch.where(alone, 0.0, (other - own) / torch.maximum(own, other).clamp(min=1e-30))


def _best(places: Float[Tensor, "cloud point component"], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Of each cloud the best silhouette over all partitions, into how many groups, and which."""
    clouds, points = places.shape[:2]
    best, count = torch.full((clouds,), -torch.inf), torch.zeros(clouds, dtype=torch.int64)
    group = torch.zeros(clouds, points, dtype=torch.int64)
    apart = torch.cdist(places, places)
    for k in range(2, MOST_GROUPS + 1):
        mine = _partitioned(places, k, generator)
        score = silhouettes(apart, mine, k).mean(1)
        better = score > best
        best, count = torch.where(better, score, best), count.masked_fill(better, k)
        group = torch.where(better[:, None], mine, group)
    return best, count, group


def _partitioned(places: Float[Tensor, "cloud point component"], k: int, generator: torch.Generator) -> Int[Tensor, "cloud point"]:
    """k-means, the best of several starts: each from random points of the cloud, far ones the likelier."""
    clouds, points, width = places.shape
    every = places.repeat_interleave(RESTARTS, 0)
    chosen = torch.randint(points, (len(every), 1), generator=generator)
    for _ in range(k - 1):
        near = torch.cdist(every, every.gather(1, chosen[..., None].expand(-1, -1, width))).amin(2).square()
        chosen = torch.cat([chosen, torch.multinomial(near + 1e-12, 1, generator=generator)], 1)
    centres = every.gather(1, chosen[..., None].expand(-1, -1, width))
    for _ in range(STEPS):
        member = torch.nn.functional.one_hot(torch.cdist(every, centres).argmin(2), k).float()
        size = member.sum(1)
        centres = torch.where((size > 0)[..., None], (member.mT @ every) / size.clamp(min=1)[..., None], centres)
    away, group = torch.cdist(every, centres).min(2)
    loss = away.square().sum(1).view(clouds, RESTARTS)
    return group.view(clouds, RESTARTS, points)[torch.arange(clouds), loss.argmin(1)]
