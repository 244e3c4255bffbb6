"""What path patching returns: the metric under each patch, with what was frozen on the way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxtyping import Float
from torch import Tensor

from sonde.patching.results import PatchResult, short
from sonde.results import Drawing, Result
from sonde.results.drawing import bars

if TYPE_CHECKING:
    from polars import DataFrame

Norm = Literal["live", "frozen"]


@dataclass(frozen=True, eq=False, repr=False)
class PathResult(Result):
    """A metric under patches of senders that reach it by way of some receivers only, one sender at a time.

    Arguments:
        patches: the metric under each patch, beside that of both unpatched runs.
        receivers: where the change may arrive.
        frozen: what no path goes through: "heads", "heads+mlps", "none", or the sites.
        positions: where that is frozen; empty for all positions.
        norm: whether the norms behind the senders are "live" or "frozen".
    """

    patches: PatchResult
    receivers: list[str]
    frozen: list[str]
    positions: str
    norm: Norm

    @property
    def senders(self) -> list[str]:
        """What was patched, one entry per patch."""
        return self.patches.sites

    @property
    def effect(self) -> Float[Tensor, " sender"]:
        """The share of the gap between both runs that each sender moves along these paths: a ratio of means over examples."""
        return self.patches.effect

    @property
    def scores(self) -> Float[Tensor, "sender example"]:
        """How far each patch moves the metric, in its unit: patched minus unpatched. Noising, a part that carries the answer has a negative score."""
        base = self.patches.clean if self.patches.direction == "noising" else self.patches.corrupt
        return self.patches.values - base

    def to_frame(self) -> "DataFrame":
        """One row per sender and example."""
        import polars as pl

        return self.patches.to_frame().rename({"site": "sender"}).with_columns(pl.lit(" + ".join(self.receivers)).alias("receivers"))

    def drawing(self, most: int = 24) -> Drawing:
        """The strongest senders as ranked bars.

        Arguments:
            most: at most so many.
        """
        effect, intervals = self.effect, self.patches.intervals()
        order = effect.abs().argsort(descending=True)[:most].tolist()
        return bars(
            f"What acts on {self._into()}, and not through what is frozen?",
            "share of the gap",
            [short(self.senders[i]) for i in order],
            effect[order],
            intervals=None if intervals is None else [(float(intervals[i, 0]), float(intervals[i, 1])) for i in order],
            note=f"{len(order)} of {len(self.senders)} senders; {self._note()}",
        )

    def _into(self) -> str:
        return "the logits" if self.receivers == ["logits"] else ", ".join(map(short, self.receivers))

    def _note(self) -> str:
        n, gap = len(self.patches.clean), self.patches.gap
        where = f" at positions {self.positions}" if self.positions else ""
        return (
            f"1 is the whole way between both runs, {gap:+.3g} {self.patches.unit}; {self.patches.direction} ({self.patches.written}); "
            f"frozen: {', '.join(self.frozen)}{where}; norms {self.norm}; " + ("one prompt" if n == 1 else f"mean over {n} prompts")
        )
