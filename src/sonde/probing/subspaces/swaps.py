"""What becomes of the answers of pairs under several swaps, pair by pair."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.results.drawing import Control

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False)
class Swaps:
    """The margins of pairs, in logits: how far the right answers are above the wrong ones.

    Arguments:
        names: what was swapped; of random subspaces "random 0", "random 1", ..., behind all others.
        margins: under each swap; NaN where there was nothing to swap.
        before: without any.
        source: those of the inputs from which was taken, by the same answers.
        wanted: whether the answer that the source stands for is on the right answers' side.
        groups: pairs of one group are not independent.
    """

    names: tuple[str, ...]
    margins: Float[Tensor, "swap pair"]
    before: Float[Tensor, " pair"]
    source: Float[Tensor, " pair"]
    wanted: Bool[Tensor, " pair"]
    groups: Int[Tensor, " pair"]

    @property
    def differs(self) -> Bool[Tensor, " pair"]:
        """Whether base and source stand for different answers; the other pairs say nothing."""
        return (self.before > 0) != self.wanted

    @property
    def becomes(self) -> Float[Tensor, "swap pair"]:
        """1 where the answer becomes the source's, else 0; NaN where there was nothing to swap."""
        return ((self.margins > 0) == self.wanted).double().masked_fill(self.margins.isnan(), float("nan"))

    @property
    def accuracy(self) -> Float[Tensor, " swap"]:
        """The interchange accuracy: the share of pairs whose answer becomes the source's, of those in which the two differ; else NaN."""
        return self.becomes[:, self.differs].mean(1)

    @property
    def moved(self) -> Float[Tensor, " swap"]:
        """By how much of the way from base to source the margin is moved: a ratio of means over the pairs whose answers differ."""
        kept = self.differs
        way = (self.before - self.source)[kept].mean()
        return (self.before - self.margins)[:, kept].mean(1) / way

    @property
    def drawn(self) -> int:
        """How many random subspaces there are."""
        return sum(name.startswith("random ") for name in self.names)

    def of(self, name: str) -> float:
        """The interchange accuracy of one of the swaps.

        Arguments:
            name: what was swapped.
        """
        return float(self.accuracy[self.names.index(name)])

    def hits(self, name: str) -> Float[Tensor, " differing"]:
        """1 for each pair whose answer becomes the source's under a swap, of those whose answers differ.

        Arguments:
            name: what was swapped.
        """
        return self.becomes[self.names.index(name), self.differs]

    @property
    def by_chance(self) -> Float[Tensor, "draw differing"]:
        """The same for the random subspaces."""
        return self.becomes[len(self.names) - self.drawn :, self.differs]

    def band(self, size: int) -> Control | None:
        """The random subspaces as the control of a drawing; none where no pair's answers differ.

        Arguments:
            size: their dimension.
        """
        shares = self.accuracy[len(self.names) - self.drawn :].tolist()
        if not self.differs.any():
            return None
        return Control(f"{self.drawn} random subspaces of dimension {size}", sum(shares) / len(shares), (min(shares), max(shares)))

    def frame(self) -> "DataFrame":
        """One row per swap and pair."""
        import polars as pl

        n = len(self.before)
        alike = {"before": self.before, "source": self.source, "answers differ": self.differs}
        return pl.DataFrame(
            {
                "swapped": [name for name in self.names for _ in range(n)],
                "pair": list(range(n)) * len(self.names),
                "margin": self.margins.flatten().tolist(),
                "becomes the source's": self.becomes.flatten().tolist(),
                **{name: values.tolist() * len(self.names) for name, values in alike.items()},
            }
        )
