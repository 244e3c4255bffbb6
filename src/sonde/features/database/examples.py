"""Which places of a corpus show what a latent is: the strongest, and some from each evenly spaced interval of its activation.

A context is shown once in its group: a place inside a context that was taken already is passed over, and so is one whose context has the same tokens.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray

from sonde.features.collecting.histograms import bin_of
from sonde.features.collecting.tables import BINS, INTERVALS
from sonde.features.records import Example, Interval

STRONGEST = 20
OF_INTERVAL = 5
BEFORE, AFTER = 15, 10


@dataclass(frozen=True, eq=False)
class Firings:
    """The places where one latent is active, those that are kept.

    Arguments:
        sequence: numbers of the sequences, in order.
        position: in them, in order.
        value: the activations.
        drawn: whether a place may stand for its interval: all of them, or those that were drawn.
    """

    sequence: ndarray
    position: ndarray
    value: ndarray
    drawn: ndarray

    def around(self, sequence: int, start: int, stop: int) -> list[float]:
        """The activations of a context, 0 where the latent is silent.

        Arguments:
            sequence: which.
            start: its first position.
            stop: one past its last.
        """
        first, last = np.searchsorted(self.sequence, [sequence, sequence + 1])
        values = [0.0] * (stop - start)
        inside = (self.position[first:last] >= start) & (self.position[first:last] < stop)
        for position, value in zip(self.position[first:last][inside].tolist(), self.value[first:last][inside].tolist(), strict=True):
            values[position - start] = value
        return values


class Shower:
    """Makes examples of places, and remembers what was shown.

    Arguments:
        firings: of the latent.
        tokens: from a sequence's number to its tokens.
        texts: from tokens to their texts.
    """

    def __init__(self, firings: Firings, tokens: Callable[[int], ndarray], texts: Callable[[list[int]], list[str]]):
        self.firings, self.tokens, self.texts = firings, tokens, texts
        self.shown: set[tuple[int, int]] = set()

    def take(self, candidates: Iterable[int], most: int) -> list[Example]:
        """The first places whose contexts differ, up to some number.

        Arguments:
            candidates: numbers of firings, in order.
            most: how many are wanted.
        """
        found: list[Example] = []
        held: set[tuple[int, int]] = set()
        contexts: set[bytes] = set()
        for i in candidates:
            sequence, position = int(self.firings.sequence[i]), int(self.firings.position[i])
            ids = self.tokens(sequence)
            start, stop = max(0, position - BEFORE), min(len(ids), position + AFTER + 1)
            context = ids[start:stop].tobytes() + bytes([position - start])
            if (sequence, position) in held or context in contexts:
                continue
            contexts.add(context)
            held |= {(sequence, p) for p in range(start, stop)}
            again = (sequence, position) in self.shown
            found.append(
                Example(sequence=sequence, position=position, start=start, tokens=self.texts(ids[start:stop].tolist()),
                        values=self.firings.around(sequence, start, stop), again=again)
            )  # fmt: skip
            if len(found) == most:
                break
        self.shown |= held
        return found

    def strongest(self) -> list[Example]:
        """The places of the highest activations."""
        values = self.firings.value
        few = min(len(values), 50 * STRONGEST)
        top = np.argpartition(-values, few - 1)[:few] if len(values) else np.zeros(0, dtype=int)
        return self.take(top[np.argsort(-values[top], kind="stable")], STRONGEST)

    def intervals(self, latent: int, low: float, high: float, histogram: list[int], highest: list[float | None]) -> list[Interval]:
        """The intervals, the highest first, each with places drawn from it.

        Arguments:
            latent: seeds the draws.
            low: where the lowest begins.
            high: where the highest ends.
            histogram: of the latent's activations.
            highest: the highest activation of each.
        """
        bins = bin_of(torch.as_tensor(self.firings.value), torch.tensor(low), torch.tensor(high), INTERVALS).numpy()
        firings, step = sum(histogram), BINS // INTERVALS
        found = []
        for i in reversed(range(INTERVALS)):
            inside = ((bins == i) & self.firings.drawn).nonzero()[0]
            order = np.random.default_rng([latent, i]).permutation(len(inside))
            share = sum(histogram[i * step : (i + 1) * step]) / firings if firings else 0.0
            edges = (low + i * (high - low) / INTERVALS, low + (i + 1) * (high - low) / INTERVALS)
            examples = self.take(inside[order], OF_INTERVAL)
            found.append(Interval(low=edges[0], high=edges[1], share=share, highest=highest[i], examples=examples))
        return found
