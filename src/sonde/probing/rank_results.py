"""What a curve over ranks returns: what is told and what is lost, by the number of directions that are taken out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import block_means, bootstrap, compare, corrected, necessity
from sonde.probing.amnesic_results import ANY, LOST, LOST_SOURCE
from sonde.probing.checked import Checked
from sonde.probing.held_out import interval
from sonde.probing.removal_results import HALF_SOURCE
from sonde.results import Drawing, Verdict
from sonde.results.drawing import Series, beside, lines

if TYPE_CHECKING:
    from polars import DataFrame

LIKE = "random directions of equal rank"


@dataclass(frozen=True, eq=False, repr=False)
class RankCurve(Checked):
    """What a probe tells of a concept, and what the model loses, after more and more directions are taken out.

    Arguments:
        concept: what was taken out.
        site: where.
        ranks: how many directions, in order; 0 is the intact model.
        measures: what is lost; the first one decides.
        effect: what the removal costs.
        random: what taking out as many random directions costs.
        right: whether a linear probe that is trained afterwards is right, 1 or 0, on held-out examples.
        random_right: the same after random directions.
        majority: whether the commonest class is right.
        groups: held-out examples of one group are not independent.
        gap: what there is to lose of the first measure; nan where that is not known.
        notes: what was decided, left out or is suspicious.
    """

    concept: str
    site: str
    ranks: list[int]
    measures: list[str]
    effect: Float[Tensor, "rank measure example"]
    random: Float[Tensor, "draw rank measure example"]
    right: Float[Tensor, "rank held"]
    random_right: Float[Tensor, "draw rank held"]
    majority: Float[Tensor, " held"]
    groups: Int[Tensor, " held"]
    gap: float
    notes: list[str]

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether the probe's knowledge goes with the directions, and for each rank whether they cost more than random ones; corrected."""
        known = self.gap > 0  # of texts nan
        least, source = (LOST * self.gap, LOST_SOURCE) if known else (0.0, ANY)
        cost = [
            compare(
                f"Without the first {rank} directions of {self.concept} at {self.site} the model loses more than without as many random ones.",
                f"{self.measures[0]} lost; control: {LIKE}, any one of which is to be exceeded", self.effect[i, 0], self.random[:, i, 0],
                threshold=least, threshold_source=source, exceeding="draw",
            )
            for i, rank in enumerate(self.ranks) if rank
        ]  # fmt: skip
        return corrected([*self._gone, *cost])

    @property
    def _gone(self) -> list[Verdict]:
        """Whether a probe loses what it tells; not asked where it was not asked before anything was taken out."""
        if self.ranks[0]:
            return []
        before, after, majority = (block_means(one, self.groups) for one in (self.right[0], self.right[-1], self.majority))
        random = block_means(self.random_right[:, -1].T, self.groups).T
        claim = f"The {self.ranks[-1]} directions hold what a linear probe tells of {self.concept} at {self.site}, and {LIKE} do not."
        measure = f"share of what a probe tells beyond the commonest class that is lost; control: {LIKE}"
        return [necessity(claim, before, majority, after, random, measure=measure, threshold_source=HALF_SOURCE)]

    def to_frame(self) -> "DataFrame":
        """One row per rank."""
        import polars as pl

        cost, random = self.effect.mean(-1), self.random.mean(-1)
        columns: dict[str, Any] = {"rank": self.ranks}
        for m, measure in enumerate(self.measures):
            columns |= {measure: cost[:, m].tolist(), f"{measure}, random": random[:, :, m].mean(0).tolist()}
            columns |= {f"{measure}, random, most": random[:, :, m].amax(0).tolist()}
        told = {"probe": self.right.mean(-1).tolist(), "probe, random": self.random_right.mean((0, 2)).tolist()}
        return pl.DataFrame(columns | told)

    def drawing(self) -> Drawing:
        """The loss and the probe's accuracy by rank, side by side; the bands reach over random directions."""
        draws, n = len(self.random), self.effect.shape[-1]
        losses = lines(
            "What does the model lose?", self.measures[0], "directions", self.ranks, [Series(self.concept, *self._cost())],
            control=_band(self.random[:, :, 0].mean(-1)), note=f"{n} {'example' if n == 1 else 'examples'}, 95 % intervals over them",
        )  # fmt: skip
        ends = [interval(row, self.groups) for row in self.right]
        lows, highs = [max(0.0, low) for low, _ in ends], [min(1.0, high) for _, high in ends]
        told = Series("linear probe", self.right.mean(-1).tolist(), lows, highs)
        most = Series("commonest class", [float(self.majority.mean())] * len(self.ranks))
        probed = lines(
            "What does a probe still tell?", "accuracy", "directions", self.ranks, [told, most], control=_band(self.random_right.mean(-1)),
            note=f"{self.right.shape[1]} examples held out; the probe is trained anew at each rank",
        )  # fmt: skip
        note = (
            f"At {self.site}; directions by iterative null-space projection, in the order in which they were found; bands: {draws} random subspaces."
        )
        return beside(f"How much is lost with each direction of {self.concept}?", [("the model", losses), ("a probe", probed)], note=note)

    def _cost(self) -> tuple[list[float], list[float] | None, list[float] | None]:
        """The mean cost at each rank with its interval over examples, where there are several."""
        cost = self.effect[:, 0]
        if cost.shape[1] < 2:
            return cost.mean(-1).tolist(), None, None
        low, high = bootstrap(cost.T)
        return cost.mean(-1).tolist(), low.tolist(), high.tolist()


def _band(values: Float[Tensor, "draw rank"]) -> Series:
    return Series(LIKE, values.mean(0).tolist(), values.amin(0).tolist(), values.amax(0).tolist())
