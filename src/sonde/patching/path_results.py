"""What path patching returns: the metric under each patch, with what was frozen on the way."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Site
from sonde.evidence import necessity, random_sets, sufficiency, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.patching.components import LEAST_SCORE, MOST
from sonde.patching.freezing import KINDS
from sonde.patching.results import PatchResult, short
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

Norm = Literal["live", "frozen"]
MEASURE = "share of the gap that they move together along these paths; control: random sets of as many senders"


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

    @property
    def found(self) -> list[int]:
        """The senders that move at least a tenth of the gap, with an interval that excludes zero: the strongest, at most eight and a third of all."""
        effect, intervals = self.effect, self.patches.intervals()
        clear = [i for i in effect.argsort(descending=True).tolist() if effect[i] >= LEAST_SCORE and (intervals is None or intervals[i, 0] > 0)]
        return clear[: min(MOST, max(1, len(self.senders) // 3))]

    def check(self, model: Model, task: Task, seed: int = 0, sets: int = 20) -> list[Verdict]:
        """Whether the found senders together carry half of the gap along these paths on other prompts, and more than random sets of as many do.

        Arguments:
            model: the model that was patched.
            task: prompts that took no part in choosing the senders.
            seed: of the random sets.
            sets: how many random sets make the control.
        """
        from sonde.patching.paths import path_patching

        self.refuse_other(model)
        subject = ", ".join(short(self.senders[i]) for i in self.found) or "some senders"
        claim = f"{subject[0].upper()}{subject[1:]} {'carries' if len(self.found) == 1 else 'carry'} the answer to {self._into()} along these paths."
        drawn = random_sets(range(len(self.senders)), len(self.found), sets, seed) if self.found else []
        others = [chosen for chosen in drawn if set(chosen) != set(self.found)]
        if not others:
            why = "no sender moves a tenth of the gap on the search prompts" if drawn == [] else "there are no other senders to compare them with"
            return [untestable(claim, MEASURE, why, threshold=HALF, threshold_source=HALF_SOURCE)]
        groups = [[site for i in chosen for site in self.senders[i].split(" + ")] for chosen in (self.found, *others)]
        frozen: Any = self.frozen[0] if self.frozen[0] in KINDS else self.frozen
        positions: Any = dict(Site.parse(f"blocks[pos={self.positions}]").select)["pos"] if self.positions else None
        again = path_patching(
            model, task, groups, self.receivers, frozen, positions, self.norm, self.patches.direction, self.patches.ablation
        ).patches  # fmt: skip
        judge = necessity if again.direction == "noising" else sufficiency
        return [judge(claim, again.clean, again.corrupt, again.values[0], again.values[1:], measure=MEASURE)]

    def _into(self) -> str:
        return "the logits" if self.receivers == ["logits"] else ", ".join(map(short, self.receivers))

    def _note(self) -> str:
        n, gap = len(self.patches.clean), self.patches.gap
        where = f" at positions {self.positions}" if self.positions else ""
        return (
            f"1 is the whole way between both runs, {gap:+.3g} {self.patches.unit}; {self.patches.direction} ({self.patches.written}); "
            f"frozen: {', '.join(self.frozen)}{where}; norms {self.norm}; " + ("one prompt" if n == 1 else f"mean over {n} prompts")
        )
