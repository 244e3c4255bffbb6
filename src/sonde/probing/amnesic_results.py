"""What amnesic probing returns: for each property and place what a probe tells, and what its removal costs beside random removals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import block_means, bootstrap, compare, corrected
from sonde.probing.checked import Checked
from sonde.probing.erasure import NAMES, RANDOM, Kind
from sonde.results import Drawing, InputError, Verdict, shown
from sonde.results.drawing import Series, bars, table

if TYPE_CHECKING:
    from polars import DataFrame

Conclusion = Literal["encoded and used", "encoded only", "neither", "not settled"]

TOLD, TOLD_SOURCE = 0.1, "a tenth of the way from the commonest class to no error: a convention"
LOST, LOST_SOURCE = 0.05, "a twentieth of the distance to the counterfactuals: a convention"
ANY = "any loss: the control decides"


@dataclass(frozen=True, eq=False, repr=False)
class AmnesicCase:
    """One property at one place.

    Arguments:
        concept: what was taken out.
        place: the site, or several with a plus between them.
        rank: directions that were taken out, of all sites together.
        change: mean squared length of what that takes from the states it was fitted on, by site.
        residual: largest cross-covariance with the classes that it leaves there, by site.
        right: whether a linear probe tells the property, 1 or 0, on held-out examples; at the last of several sites.
        majority: whether the commonest class is right.
        groups: held-out examples of one group are not independent.
        effect: what the removal costs.
        random: what random removals cost: of equal rank, and of equal removed variance besides.
    """

    concept: str
    place: str
    rank: int
    change: list[float]
    residual: list[float]
    right: Float[Tensor, " held"]
    majority: Float[Tensor, " held"]
    groups: Int[Tensor, " held"]
    effect: Float[Tensor, "measure example"]
    random: Float[Tensor, "2 draw measure example"]

    @property
    def p_by_rank(self) -> tuple[float, float]:
        """The share of removals, the found one among them, that cost at least as much as it, of each kind of control (first measure, mean)."""
        mean, random = self.effect[0].mean(), self.random[:, :, 0].mean(-1)
        low, high = ((1 + (random >= mean).sum(1)) / (1 + random.shape[1])).tolist()
        return low, high

    @property
    def z_score(self) -> tuple[float, float]:
        """How many standard deviations of the random removals' costs the found one's lies above their mean; nan where they are all alike."""
        mean, random = self.effect[0].mean(), self.random[:, :, 0].mean(-1)
        spread = random.std(1)
        low, high = torch.where(spread > 1e-5 * random.abs().amax(1), (mean - random.mean(1)) / spread, torch.nan).tolist()
        return low, high


@dataclass(frozen=True, eq=False, repr=False)
class Amnesic(Checked):
    """What a model loses when properties are taken out of its states, beside what probes tell of them.

    Arguments:
        cases: each property at each place.
        kind: of the erasers.
        measures: what is lost, the first one decides.
        intact: the measures of the intact model.
        gap: what there is to lose of the first measure; nan where that is not known.
        notes: what was decided, left out or is suspicious.
    """

    cases: list[AmnesicCase]
    kind: Kind
    measures: list[str]
    intact: Float[Tensor, "measure example"]
    gap: float
    notes: list[str]

    @property
    def verdicts(self) -> list[Verdict]:
        """Three for each case: is it encoded, and does its removal cost more than random removals of either kind; corrected for their number."""
        return corrected([verdict for case in self.cases for verdict in (_encoded(case), *self._used(case))])

    @property
    def threes(self) -> list[list[Verdict]]:
        """The verdicts of each case."""
        verdicts = self.verdicts
        return [verdicts[3 * i : 3 * i + 3] for i in range(len(self.cases))]

    @property
    def conclusions(self) -> list[Conclusion]:
        """What the verdicts of each case come to; "not settled" where examples are too few, or something is missed that no probe finds."""
        return [concluded([three]) for three in self.threes]

    def to_frame(self) -> "DataFrame":
        """One row per case."""
        import polars as pl

        rows = []
        for case, conclusion in zip(self.cases, self.conclusions, strict=True):
            row = {
                "property": case.concept, "site": case.place, "rank": case.rank, "change": sum(case.change), "residual": max(case.residual),
                "probe": float(case.right.mean()), "commonest class": float(case.majority.mean()),
            }  # fmt: skip
            for m, measure in enumerate(self.measures):
                row[measure] = float(case.effect[m].mean())
                row |= {f"{measure}, {like}": float(case.random[by, :, m].mean()) for by, like in enumerate(RANDOM.values())}
            p, z = case.p_by_rank, case.z_score
            rows.append(
                row | {"z, equal rank": z[0], "z, equal variance": z[1], "p, equal rank": p[0], "p, equal variance": p[1], "says": conclusion}
            )
        return pl.DataFrame(rows)

    def drawing(self) -> Drawing:
        """What each removal costs, as bars with intervals over examples; the grey marks are the costliest random removals."""
        ends = None if self.intact.shape[1] < 2 else [tuple(torch.stack(bootstrap(case.effect[0])).tolist()) for case in self.cases]
        worst = [float(case.random[:, :, 0].mean(-1).max()) for case in self.cases]
        draws, n = self.cases[0].random.shape[1], self.intact.shape[1]
        note = (
            f"{NAMES[self.kind]}, {n} {'example' if n == 1 else 'examples'}; the mark is the costliest of {2 * draws} random removals, half of "
            "them of equal rank and half that take out as much variance."
        )
        control = Series("the costliest random removal", worst)
        return bars(
            "What does the model lose without it?", self.measures[0], self._labels(), self._costs(), intervals=ends, bar_control=control, note=note
        )

    def summary(self) -> Drawing:
        """The table of what is encoded and what is used."""
        heads = ["property", "site", "probe", "commonest class", "rank", "cost", "random, equal rank", "random, equal variance", "says"]
        rows = []
        for case, conclusion in zip(self.cases, self.conclusions, strict=True):
            random = case.random[:, :, 0].mean((1, 2)).tolist()
            told = [float(case.right.mean()), float(case.majority.mean())]
            rows.append([case.concept, case.place, *told, case.rank, float(case.effect[0].mean()), *random, conclusion])
        return table("Which properties are encoded, and which are used?", heads, rows, note=f"Cost: {self.measures[0]}, lost by the removal.")

    def case(self, name: str, place: str = "") -> AmnesicCase:
        """One of the cases.

        Arguments:
            name: the property.
            place: the site, where there are several.

        Raises:
            InputError: no such case, or several.
        """
        found = [case for case in self.cases if case.concept == name and place in ("", case.place)]
        if len(found) != 1:
            there = ", ".join(f"{case.concept} at {case.place}" for case in self.cases)
            raise InputError(f"{shown(name, 40)} {'at ' + place if place else ''} is {len(found)} of the cases: {there}")
        return found[0]

    def _used(self, case: AmnesicCase) -> list[Verdict]:
        known = self.gap > 0  # of texts nan
        least, source = (LOST * self.gap, LOST_SOURCE) if known else (0.0, ANY)
        return [
            compare(
                f"The model uses {case.concept} at {case.place}: to take it out costs more than {like}.",
                f"{self.measures[0]} lost; control: {like}, any one of which is to be exceeded", case.effect[0], case.random[by, :, 0],
                threshold=least, threshold_source=source, exceeding="draw",
            )
            for by, like in enumerate(RANDOM.values())
        ]  # fmt: skip

    def _labels(self) -> list[str]:
        places = {case.place for case in self.cases}
        return [case.concept if len(places) == 1 else f"{case.concept} at {case.place}" for case in self.cases]

    def _costs(self) -> list[float]:
        return [float(case.effect[0].mean()) for case in self.cases]


def _encoded(case: AmnesicCase) -> Verdict:
    right, majority = block_means(case.right, case.groups), block_means(case.majority, case.groups)
    commonest = float(majority.mean())
    return compare(
        f"A linear probe tells {case.concept} at {case.place}.", "accuracy on held-out examples; control: the commonest class", right, majority,
        threshold=commonest + TOLD * (1 - commonest), threshold_source=TOLD_SOURCE,
    )  # fmt: skip


def _unsure(encoded: Verdict) -> bool:
    """Whether a probe tells half of what there is to tell, on examples too few to be sure: that does not say that nothing is encoded."""
    if encoded.measured is None or encoded.control is None:
        return True
    return encoded.holds is False and encoded.measured - encoded.control >= (1 - encoded.control) / 2


def concluded(cases: Sequence[Sequence[Verdict]]) -> Conclusion:
    """What the verdicts on one property come to, at one place or at several.

    Arguments:
        cases: of each place three verdicts: is it encoded, and does its removal cost more than random removals of either kind.
    """
    encoded, used = [case[0].holds for case in cases], [all(verdict.holds for verdict in case[1:]) for case in cases]
    if any(one and other for one, other in zip(encoded, used, strict=True)):
        return "encoded and used"
    if any(used) or any(verdict.holds is None for case in cases for verdict in case):
        return "not settled"
    if any(encoded):
        return "encoded only"
    return "not settled" if any(_unsure(case[0]) for case in cases) else "neither"
