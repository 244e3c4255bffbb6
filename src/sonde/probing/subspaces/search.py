"""The search itself: orthonormal directions Q, learned with the model frozen (distributed alignment search; Geiger et al. 2024).

    x' = x + Q Q^T (x_source - x),      minimise  -log p(the source's answer | x')  over the whole vocabulary

Q is the orthonormal factor of a free matrix; after every step the matrix is put back to it. For one direction that is a unit vector that is
normalised after every step, far cheaper than a whole rotation.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access.engine.repeated import Repeated
from sonde.access.writes import Write
from sonde.bases import Subspace
from sonde.jobs import track
from sonde.probing.subspaces.placed import Placed, placed
from sonde.results import InputError, SondeError
from sonde.tasks import CrossEntropy

LAST_RATE = 0.1  # of the rate at the start: what it has fallen to, in a line, at the end


@dataclass(frozen=True)
class SearchConfig:
    """How directions are searched for."""

    steps: int = 200
    """Of Adam, for each start."""
    lr: float = 0.02
    """The rate at the start; it falls to a tenth in a line."""
    starts: int = 3
    """Searches from different directions; the one that does best on pairs to choose by is kept."""
    batch: int = 64
    """Pairs in a step."""

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.lr > 0 or self.starts < 1 or self.batch < 1:
            raise InputError(f"{self}: give at least one step, one start and one pair in a step, and a rate above zero")


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Arguments:
        subspace: the best of all starts.
        curves: the loss at each step, nats, start by start.
        chosen_by: the interchange accuracy of each start on the pairs to choose by.
    """

    subspace: Subspace
    curves: Float[Tensor, "start step"]
    chosen_by: Float[Tensor, " start"]


def search(on: Placed, choose_by: Placed, size: int, config: SearchConfig, seed: int, progress: bool = False) -> Found:
    """Learn a subspace on some pairs, and choose among several starts by others.

    Arguments:
        on: the pairs to search on.
        choose_by: the pairs to choose by.
        size: how many dimensions.
        config: how.
        seed: of the starts, and of the order of the pairs.
        progress: show a bar.

    Raises:
        InputError: more dimensions than the site has. SondeError: the loss became infinite or undefined.
    """
    if not 1 <= size < on.width:
        raise InputError(f"size={size}: {on.site} has {on.width} dimensions; a subspace that can be wrong has 1 to {on.width - 1}")
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(on.pairs), generator=draw)
    chunks = [Surprise(placed(on.model, on.pairs.select(part.tolist()), on.site, on.wanted[part])) for part in order.split(config.batch)]
    judges = Surprise(choose_by)
    tried = []
    for start in range(config.starts):
        steps = track(range(config.steps), f"searching, start {start + 1} of {config.starts}", shown=progress)
        subspace, curve = _descend(chunks, torch.randn(on.width, size, generator=draw), config, steps)
        tried.append((*judged(judges, subspace), subspace, curve))
    best = max(tried, key=lambda one: (one[0], -one[1]))
    return Found(best[2], torch.tensor([one[3] for one in tried]), torch.tensor([one[0] for one in tried]))


def _descend(
    chunks: Sequence["Surprise"], start: Float[Tensor, "width size"], config: SearchConfig, steps: Iterable[int]
) -> tuple[Subspace, list[float]]:
    """One search: where it ends, and the loss at each step."""
    free = torch.linalg.qr(start).Q.to(chunks[0].pairs.model.device).requires_grad_()
    adam = torch.optim.Adam([free], config.lr)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, LAST_RATE, config.steps)
    curve: list[float] = []
    for step in steps:
        with torch.enable_grad():
            loss = chunks[step % len(chunks)](torch.linalg.qr(free).Q)
        curve.append(float(loss.detach()))
        if not math.isfinite(curve[-1]):
            raise SondeError(f"the loss at {chunks[0].pairs.site} is {curve[-1]} at step {step + 1}: take a smaller rate, or another site")
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
        with torch.no_grad():
            free.copy_(torch.linalg.qr(free).Q)
    return Subspace.span(free.detach().T.cpu()), curve


def judged(by: "Surprise", subspace: Subspace) -> tuple[float, float]:
    """The interchange accuracy of a subspace, over pairs whose answers differ (0 where none does), and its loss.

    Arguments:
        by: the pairs by which is judged.
        subspace: what is swapped.
    """
    hits = by.pairs.under({"": by.pairs.swap(subspace)}).hits("")
    loss = float(by(subspace.directions.to(by.pairs.model.device)).detach())
    return (float(hits.mean()) if len(hits) else 0.0), loss


class Surprise:
    """How surprised the model is by the sources' answers under a swap, as a function of the directions that are swapped.

    Arguments:
        pairs: whose values are swapped.
    """

    def __init__(self, pairs: Placed):
        self.pairs = pairs
        anything = Write(pairs.site, pairs.patch())
        self._loss = Repeated(pairs.model, pairs.base.inputs, CrossEntropy(pairs.towards), [anything])

    def __call__(self, Q: Float[Tensor, "width size"]) -> Float[Tensor, ""]:
        """Nats, the mean over pairs, with its graph.

        Arguments:
            Q: orthonormal columns.
        """
        return self._loss([Write(self.pairs.site, self.pairs.swap(Subspace(Q)))]).mean()
