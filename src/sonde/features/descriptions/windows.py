"""Stretches of text as a judge sees them, and the same with what the latent did there.

Windows lie on a fixed grid: every token is in exactly one, and a firing token may stand anywhere in it. Windows drawn around what fires would tell
by their place in the text, and by the place of the token in them, which of them fire.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.features.descriptions.recording import Recording
from sonde.results import InputError

SIZE = 32
"""Tokens of a window."""


@dataclass(frozen=True)
class Window:
    """A stretch of text, and nothing about what any latent does in it.

    Arguments:
        tokens: their texts.
        start: where the first stands in its text.
    """

    tokens: tuple[str, ...]
    start: int = 0

    @property
    def text(self) -> str:
        """The window as it reads."""
        return "".join(self.tokens)


@dataclass(frozen=True, eq=False)
class Example:
    """A window with what the latent did on each of its tokens.

    Arguments:
        window: the stretch of text.
        activations: on each token, 0 where it was silent.
        kind: why it was chosen: `firing`, or the kind of a silent one.
        origin: the number of its first token in the recording.
    """

    window: Window
    activations: tuple[float, ...]
    kind: str = "firing"
    origin: int = 0

    @property
    def fires(self) -> bool:
        """Whether the latent fires anywhere in it."""
        return self.peak > 0

    @property
    def peak(self) -> float:
        """The highest activation."""
        return max(self.activations)


@dataclass(frozen=True, eq=False)
class Grid:
    """A recording cut into windows of at most `size` tokens, each within one text.

    Arguments:
        recording: what is cut.
        size: the most tokens of a window.

    Raises:
        InputError: windows of less than two tokens.
    """

    recording: Recording
    size: int = SIZE

    def __post_init__(self) -> None:
        if self.size < 2:
            raise InputError(f"windows of {self.size} tokens show no context: give at least 2")

    @cached_property
    def of(self) -> Int[Tensor, " token"]:
        """The window of each token."""
        begins = self.recording.position % self.size == 0
        return begins.long().cumsum(0) - 1

    @cached_property
    def starts(self) -> Int[Tensor, " window"]:
        """The first token of each window."""
        return (self.recording.position % self.size == 0).nonzero().flatten()

    def __len__(self) -> int:
        return len(self.starts)

    def peaks(self, latent: int) -> Float[Tensor, " window"]:
        """The highest activation of a latent in each window.

        Arguments:
            latent: its number.
        """
        where, values = self.recording.firing(latent)
        return values.new_zeros(len(self)).scatter_reduce_(0, self.of[where], values, "amax")

    def example(self, window: int, activations: Float[Tensor, " token"], kind: str = "firing") -> Example:
        """One window with its activations.

        Arguments:
            window: its number.
            activations: of the latent, on every token of the recording.
            kind: why it was chosen.
        """
        start = int(self.starts[window])
        stop = int(self.starts[window + 1]) if window + 1 < len(self) else len(self.recording)
        shown = Window(self.recording.strings(start, stop), int(self.recording.position[start]))
        return Example(shown, tuple(activations[start:stop].tolist()), kind, start)


def drawn(pool: Int[Tensor, " window"], n: int, generator: torch.Generator) -> Int[Tensor, " drawn"]:
    """Some of a pool without repetition; all of it, in random order, where it holds no more.

    Arguments:
        pool: numbers.
        n: how many are wanted.
        generator: of the draw.
    """
    return pool[torch.randperm(len(pool), generator=generator)[:n]]
