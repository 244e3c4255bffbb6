"""Activations made of features that are known: x = mu + sum_i a_i m_i g_i + noise, with a_i in {0, 1} and m_i = abs(N(1, spread)).

A dictionary that learns from them can be held against the truth. Everything drawn depends on the world's seed and the number of the step alone, so
that a stream can be interrupted and resumed anywhere. The seeds of the generators are hashes of these: no learner that is seeded with a small number
draws the same bits, which would hand it the truth (`randn(F, D)` from the generator's own seed IS the dictionary).

Shape legend: F features, D entries of an activation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.bases import Codes
from sonde.results import InputError, content_hash


@dataclass(frozen=True, eq=False)
class Batch:
    """Some activations, with what they are made of.

    Arguments:
        x: activations, one a row.
        codes: how strong each feature is in them.
        y: what is to be written for them; x itself where nothing else is.
    """

    x: Float[Tensor, "rows width"]
    codes: Codes
    y: Float[Tensor, "rows out"]


class Planted(Protocol):
    """Anything that draws batches by their number, and knows the directions behind them."""

    @property
    def directions(self) -> Float[Tensor, "feature out"]:
        """What each feature adds."""
        ...

    def batch(self, rows: int, step: int = 0) -> Batch:
        """The batch with this number."""
        ...


@dataclass(frozen=True, eq=False)
class World:
    """A known set of features, and how they fire.

    Arguments:
        directions: what each feature adds at strength 1.
        probability: how often each fires, where its parent does.
        parents: the feature without which each cannot fire, one before it; -1 where there is none.
        groups: features of one group fire together more often than by chance, where `correlation` is above 0.
        correlation: of the normal variables behind the firing of one group; how often each fires stays as it is.
        spread: deviation of the strengths.
        mean: of the activations without any feature.
        noise: deviation of what is added to each entry.
        seed: of the draws.
        parts: widths of the sites that lie side by side; one site by default.

    Raises:
        InputError: shapes, probabilities, parents or parts that do not fit.
    """

    directions: Float[Tensor, "feature width"]
    probability: Float[Tensor, " feature"]
    parents: Int[Tensor, " feature"]
    groups: Int[Tensor, " feature"]
    correlation: float
    spread: float
    mean: Float[Tensor, " width"]
    noise: float
    seed: int
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", self.parts or (self.width,))
        if not ((self.probability > 0) & (self.probability <= 1)).all() or not 0 <= self.correlation < 1:
            raise InputError(f"probabilities from {float(self.probability.min()):.3g} to {float(self.probability.max()):.3g} and correlation="
                             f"{self.correlation}: give probabilities above 0 and up to 1, and a correlation from 0 to below 1")  # fmt: skip
        if (self.parents >= torch.arange(self.size)).any() or sum(self.parts) != self.width:
            raise InputError(f"parents must come before their children, and parts={self.parts} must add up to {self.width}")

    @property
    def width(self) -> int:
        """How many entries an activation has, of all sites together."""
        return self.directions.shape[1]

    @property
    def size(self) -> int:
        """How many features there are."""
        return len(self.directions)

    @cached_property
    def density(self) -> Float[Tensor, " feature"]:
        """How often each feature fires."""
        density = self.probability.clone()
        for feature, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                density[feature] *= density[parent]
        return density

    @property
    def l0(self) -> float:
        """How many features fire at a time, on average."""
        return float(self.density.sum())

    def batch(self, rows: int, step: int = 0) -> Batch:
        """The batch with this number; the same whenever it is asked for.

        Arguments:
            rows: how many activations.
            step: its number.
        """
        draw = generator("batch", self.seed, rows, step)
        where = self._firing(rows, draw)
        row, feature = where.nonzero(as_tuple=True)
        counts = torch.bincount(row, minlength=rows)
        strength = (1 + self.spread * torch.randn(len(row), generator=draw)).abs()
        codes = Codes(strength, feature, counts.cumsum(0) - counts, self.size)
        x = codes.decode(self.directions) + self.mean + self.noise * torch.randn(rows, self.width, generator=draw)
        return Batch(x, codes, x)

    def _firing(self, rows: int, draw: torch.Generator) -> Tensor:
        if self.correlation:
            own = torch.randn(rows, self.size, generator=draw)
            shared = torch.randn(rows, int(self.groups.max()) + 1, generator=draw)[:, self.groups]
            drawn = torch.special.ndtr(self.correlation**0.5 * shared + (1 - self.correlation) ** 0.5 * own)
        else:
            drawn = torch.rand(rows, self.size, generator=draw)
        fires = drawn < self.probability
        for feature in (self.parents >= 0).nonzero().flatten().tolist():
            fires[:, feature] &= fires[:, self.parents[feature]]
        return fires


class Stream:
    """Batches of a world, one after the other without end; it goes on exactly where it was.

    Arguments:
        world: what is drawn from.
        rows: activations a batch.
        start: the number of the first batch: streams that must not meet begin far from each other.

    >>> from sonde.specimens.features import superposed
    >>> stream = Stream(superposed(width=8, size=16), rows=4)
    >>> seen, state = next(stream), stream.state_dict()
    >>> other = Stream(stream.world, rows=4)
    >>> other.load_state_dict(state)
    >>> torch.equal(next(stream).x, next(other).x)
    True
    """

    def __init__(self, world: Planted, rows: int, start: int = 0) -> None:
        self.world, self.rows, self.step = world, rows, start

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        self.step += 1
        return self.world.batch(self.rows, self.step - 1)

    def state_dict(self) -> dict[str, int]:
        """Where it is."""
        return {"step": self.step, "rows": self.rows}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there.

        Arguments:
            state: what `state_dict` gave.

        Raises:
            InputError: batches of another size.
        """
        if state["rows"] != self.rows:
            raise InputError(f"the stream was at batches of {state['rows']} rows and this one draws {self.rows}: ask for {state['rows']}")
        self.step = state["step"]


def generator(*what: int | str) -> torch.Generator:
    """A generator of its own for everything that is drawn; its seed is a hash.

    Arguments:
        what: names what is drawn.
    """
    return torch.Generator().manual_seed(int(content_hash(["sonde.specimens.features", *what]), 16) >> 1)
