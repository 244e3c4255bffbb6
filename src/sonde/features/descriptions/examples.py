"""Which windows an explainer is shown, and on which a description is judged.

The explainer sees windows of one half of the texts: the strongest, and some from every tenth of the rest. A judge sees windows of the other half:
firing ones, equally many from each tenth of the firing windows by their highest activation, and silent ones of four kinds, since random text alone
is too easy:

| kind | silent windows |
| --- | --- |
| `same token` | with a token on which the latent fires elsewhere |
| `co-firing` | in which a latent fires that often fires beside it |
| `neighbour` | in which a latent of nearly the same direction fires |
| `random` | any others |
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.features.descriptions.recording import Recording
from sonde.features.descriptions.windows import Example, Grid, drawn

NEIGHBOURS = 3
"""How many latents and tokens the silent windows of a kind are drawn by."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What one latent's description is made from and judged on.

    Arguments:
        latent: its number.
        shown: to the explainer: the strongest first.
        firing: for judging, from weak to strong.
        silent: for judging, of several kinds.
        most: the latent's highest activation in the half that the explainer sees; 0 where it never fires there.
        promoted: the tokens that it stands out in promoting, where that is known.
        same: firing windows left out because the explainer was shown the same words.
    """

    latent: int
    shown: tuple[Example, ...]
    firing: tuple[Example, ...]
    silent: tuple[Example, ...]
    most: float
    promoted: tuple[str, ...] = ()
    same: int = 0

    @property
    def judged(self) -> tuple[Example, ...]:
        """The windows for judging, firing and silent."""
        return (*self.firing, *self.silent)

    @property
    def kinds(self) -> dict[str, int]:
        """How many silent windows of each kind there are."""
        return dict(Counter(example.kind for example in self.silent))


def sampled(
    explaining: Grid, judging: Grid, latent: int, n: int = 50, n_shown: int = 20, quantiles: int = 10, seed: int = 0,
) -> Examples:  # fmt: skip
    """Draw the windows of one latent.

    Arguments:
        explaining: the half of the texts that the explainer sees.
        judging: the other half.
        latent: its number.
        n: firing windows to judge on, and as many silent ones; fewer where there are no more.
        n_shown: windows for the explainer, half of them the strongest.
        quantiles: parts into which firing windows are sorted by their highest activation, each giving equally many.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + latent)
    peaks = explaining.peaks(latent)
    order = peaks.argsort(descending=True, stable=True)[: int((peaks > 0).sum())]
    strongest = order[: n_shown // 2]
    shown = torch.cat([strongest, _across(order[len(strongest) :].flip(0), n_shown - len(strongest), quantiles, generator).flip(0)])
    values = explaining.recording.activations(latent)
    seen = tuple(explaining.example(int(i), values) for i in shown)

    peaks, values = judging.peaks(latent), judging.recording.activations(latent)
    weak_to_strong = peaks.argsort(stable=True)[int((peaks == 0).sum()) :]
    told = {example.window.tokens for example in seen}
    fresh = [i for i in weak_to_strong.tolist() if judging.example(i, values).window.tokens not in told]
    firing = _across(torch.tensor(fresh, dtype=torch.long), n, quantiles, generator)
    silent: list[Example] = []
    free = peaks == 0
    # the general kind comes last and fills what the special ones left
    pools = [*_pools(judging, latent), ("random", torch.arange(len(judging)))]
    for k, (kind, pool) in enumerate(pools):
        wanted = (len(firing) - len(silent)) // (len(pools) - k)
        chosen = drawn(pool[free[pool]], wanted, generator)
        free[chosen] = False
        silent += [judging.example(int(i), values, kind) for i in chosen]
    return Examples(
        latent, seen, tuple(judging.example(int(i), values) for i in firing), tuple(silent), max((e.peak for e in seen), default=0.0),
        judging.recording.promoted.get(latent, ()), len(weak_to_strong) - len(fresh),
    )  # fmt: skip


def _across(ordered: Int[Tensor, " window"], n: int, quantiles: int, generator: torch.Generator) -> Int[Tensor, " drawn"]:
    """Equally many from each part of what is in order, in that order; all where there are no more than wanted."""
    if len(ordered) <= n:
        return ordered
    parts = ordered.tensor_split(quantiles)
    sizes = [n // quantiles + (k < n % quantiles) for k in range(quantiles)]
    found = [part[torch.randperm(len(part), generator=generator)[:size].sort().values] for part, size in zip(parts, sizes, strict=True)]
    return torch.cat(found)


def _pools(grid: Grid, latent: int) -> Iterator[tuple[str, Tensor]]:
    """Windows that resemble firing ones, by kind; kinds that have none are left out."""
    recording = grid.recording
    where, values = recording.firing(latent)
    if not len(where):
        return
    weight = torch.zeros(len(recording.vocabulary)).index_add_(0, recording.ids[where], values)
    tokens = weight.topk(min(NEIGHBOURS, len(weight))).indices
    tokens = tokens[weight[tokens] > 0]
    yield "same token", grid.of[torch.isin(recording.ids, tokens)].unique()
    beside = _beside(recording, latent, where)
    for kind, latents in (("co-firing", beside), ("neighbour", _nearest(recording, latent))):
        pool = [grid.of[recording.firing(other)[0]] for other in latents]
        if pool:
            yield kind, torch.cat(pool).unique()


def _beside(recording: Recording, latent: int, where: Int[Tensor, " firing"]) -> list[int]:
    """The latents that fire on most of the tokens on which this one does."""
    entries = torch.isin(recording.codes.rows, where)
    counts = torch.bincount(recording.codes.latents[entries], minlength=recording.size)
    counts[latent] = 0
    return [i for i in counts.topk(min(NEIGHBOURS, recording.size)).indices.tolist() if counts[i] > 0]


def _nearest(recording: Recording, latent: int) -> list[int]:
    """The latents whose directions have the highest cosine with this one's."""
    if recording.nearest is None:
        return []
    latents: list[int] = recording.nearest[latent, :NEIGHBOURS].tolist()
    return [i for i in latents if i >= 0]
