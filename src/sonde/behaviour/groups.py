"""Group metrics: does a classifier treat groups alike, by the criteria of the field?

| criterion | what is equal between the groups |
| --- | --- |
| demographic parity | the share predicted positive |
| equal opportunity | the share predicted positive of the truly positive (Hardt, Price and Srebro 2016) |
| equalised odds | that, and the share predicted positive of the truly negative |
| predictive parity | the share truly positive of those predicted positive (Chouldechova 2017) |
| accuracy | the share right |

Where the groups' base rates differ, not all of them can hold at once (Kleinberg et al. 2017), so all are shown. Each gap, the largest share minus the
smallest, has Newcombe's interval, and beside it the gap that the same data show when groups are handed out at random: the largest of several shares
minus the smallest is never 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.behaviour.calibration import Calibration, calibration, refuse_improbable, reliability
from sonde.evidence import holm, newcombe, wilson
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Series, bars, lines, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MEASURES = ("positive rate", "true positive rate", "false positive rate", "positive predictive value", "accuracy")
CRITERIA = {
    "demographic parity": ("positive rate",),
    "equal opportunity": ("true positive rate",),
    "equalised odds": ("true positive rate", "false positive rate"),
    "predictive parity": ("positive predictive value",),
    "accuracy": ("accuracy",),
}
"""Criteria, and the measures that they want equal."""


@dataclass(frozen=True)
class GroupGap:
    """How far the groups are apart in one measure.

    Arguments:
        measure: which.
        highest, lowest: the groups.
        gap: the difference of their shares.
        interval: of the difference, at 95 %.
        chance: the gap that groups handed out at random exceed in 5 % of draws.
        p: the share of such draws with a gap at least as large, corrected for the number of measures (Holm 1979).
    """

    measure: str
    highest: str
    lowest: str
    gap: float
    interval: tuple[float, float]
    chance: float
    p: float


@dataclass(frozen=True, eq=False, repr=False)
class GroupMetrics(Result):
    """Measures of each group.

    Arguments:
        groups: their names.
        successes: for each measure and group, how many.
        totals: of how many.
        gaps: between the groups, for each measure that at least two groups have.
        calibrations: of each group, where the scores are probabilities and it has two members.
        curves: the reliability curve of each of these.
        notes: what could not be measured, and why.
    """

    groups: list[str]
    successes: Int[Tensor, "measure group"]
    totals: Int[Tensor, "measure group"]
    gaps: list[GroupGap]
    calibrations: dict[str, Calibration]
    curves: dict[str, Float[Tensor, "bin 3"]]
    notes: list[str]

    def share(self, measure: str, group: str) -> float:
        """One measure of one group; NaN where nothing was counted."""
        i, g = MEASURES.index(measure), self.groups.index(group)
        return float(self.successes[i, g] / self.totals[i, g])

    def criteria(self) -> dict[str, float]:
        """For each criterion the largest gap among its measures; NaN where one of them could not be compared."""
        gaps = {one.measure: one.gap for one in self.gaps}
        known = {name: [gaps[measure] for measure in measures if measure in gaps] for name, measures in CRITERIA.items()}
        return {name: max(found) if len(found) == len(CRITERIA[name]) else float("nan") for name, found in known.items()}

    def to_frame(self) -> "DataFrame":
        """One row per measure and group."""
        import polars as pl

        rows = []
        for i, measure in enumerate(MEASURES):
            for g, group in enumerate(self.groups):
                k, n = int(self.successes[i, g]), int(self.totals[i, g])
                rows.append((measure, group, k / n if n else None, *(wilson(k, n) if n else (None, None)), n))
        sizes = dict(zip(self.groups, self.totals[0].tolist(), strict=True))
        rows += [("calibration error", group, one.error, *one.interval, sizes[group]) for group, one in self.calibrations.items()]
        return pl.DataFrame(rows, ["measure", "group", "value", "low", "high", "n"], orient="row")

    def drawing(self) -> Drawing:
        """Each measure as bars, the gaps with their control, and the reliability curves."""
        parts = []
        for measure in MEASURES:
            rows = self.to_frame().filter(measure=measure).drop_nulls().rows(named=True)
            if rows:
                ends = [(row["low"], row["high"]) for row in rows]
                names = [f"{row['group']} ({row['n']})" for row in rows]
                parts.append((measure, bars(f"Is the {measure} alike?", "share", names, [row["value"] for row in rows], intervals=ends, zero="none")))
        cells = [[one.measure, one.highest, one.lowest, one.gap, one.chance, one.p] for one in self.gaps]
        heads = ["measure", "highest", "lowest", "gap", "95 % of random groups below", "p (Holm)"]
        around = [[None, None, None, one.interval, None, None] for one in self.gaps]
        parts.append(("gaps", table("How far are the groups apart?", heads, cells, intervals=around)))
        if self.curves:
            bins = len(next(iter(self.curves.values())))
            series = [Series(group, curve[:, 1]) for group, curve in list(self.curves.items())[:7]]
            perfect = Series("perfect calibration", [(i + 0.5) / bins for i in range(bins)])
            labels = [f"{(i + 0.5) / bins:g}" for i in range(bins)]
            parts.append(("calibration", lines("Does the score mean what it says?", "share positive", "score", labels, [*series, perfect])))
        return tabs("Are the groups treated alike?", parts, note="; ".join(self.notes))


def group_metrics(
    scores: Float[Tensor, " example"],
    labels: Int[Tensor, " example"] | Bool[Tensor, " example"],
    groups: Sequence[str],
    *,
    above: float = 0.5,
    probabilities: bool = True,
    order: Sequence[str] = (),
    least: int = 20,
    draws: int = 2000,
    seed: int = 0,
    model_hash: str = "",
) -> GroupMetrics:
    """Compare the groups of some cases by the criteria of the field.

    Arguments:
        scores: of the positive class, such as its probability.
        labels: 1 for the positive class, 0 for the other.
        groups: the group of each case.
        above: the score above which a case is predicted positive.
        probabilities: whether the scores are probabilities, so that calibration can be measured.
        order: the groups to compare; all by default.
        least: a group with fewer cases to count is shown but not compared: the largest gap would be its chance.
        draws: how often groups are handed out at random.
        seed: of these draws, and of the bootstrap.
        model_hash: of the model that gave the scores, if any.

    Raises:
        InputError: cases of one class, one group only, a group without members, scores that are not finite or no probabilities.

    >>> found = group_metrics(torch.tensor([0.9, 0.2, 0.8, 0.7]), torch.tensor([1, 0, 1, 0]), ["a", "a", "b", "b"])
    >>> found.share("positive rate", "a"), found.share("false positive rate", "b")
    (0.5, 1.0)
    """
    scores, labels, names = scores.float(), torch.as_tensor(labels), list(order) or sorted(set(groups))
    _refuse(scores, labels, groups, names)
    if probabilities:
        refuse_improbable(scores)
    kept = torch.tensor([group in names for group in groups])
    scores, labels = scores[kept].cpu(), labels[kept].cpu().bool()
    member = torch.tensor([names.index(group) for group in groups if group in names])
    predicted = scores > above
    everyone = torch.ones_like(labels)
    right = predicted == labels
    # what counts as a success, and among whom
    pairs = ((predicted, everyone), (predicted, labels), (predicted, ~labels), (labels, predicted), (right, everyone))
    counted = dict(zip(MEASURES, pairs, strict=True))
    totals = torch.stack([torch.bincount(member[among], minlength=len(names)) for _, among in counted.values()])
    successes = torch.stack([torch.bincount(member[among & hit], minlength=len(names)) for hit, among in counted.values()])
    notes = [f"{measure} of {names[g]}: none to count" for i, measure in enumerate(MEASURES) for g in range(len(names)) if not totals[i, g]]
    large = totals >= least
    notes += [
        f"{measure} of {names[g]}: {int(totals[i, g])} cases, too few to compare"
        for i, measure in enumerate(MEASURES)
        for g in range(len(names))
        if 0 < totals[i, g] < least
    ]
    gaps = []
    for i, (measure, (hit, among)) in enumerate(counted.items()):
        compared = among & large[i][member]
        if large[i].sum() > 1:
            gaps.append(_gap(measure, names, hit[compared], member[compared], draws, seed))
    adjusted = holm(torch.tensor([one.p for one in gaps], dtype=torch.float64)).tolist() if gaps else []
    big = [g for g in range(len(names)) if probabilities and int((member == g).sum()) > 1]
    return GroupMetrics(
        groups=names,
        successes=successes,
        totals=totals,
        gaps=[GroupGap(**{**vars(one), "p": p}) for one, p in zip(gaps, adjusted, strict=True)],
        calibrations={names[g]: calibration(scores[member == g], labels[member == g], seed) for g in big},
        curves={names[g]: reliability(scores[member == g], labels[member == g]) for g in big},
        notes=notes,
        recipe=Recipe.of(
            "sonde.behaviour.group_metrics", {"above": above, "order": names, "least": least, "draws": draws}, model_hash=model_hash,
            inputs=[scores, labels, list(groups)], seed=seed,
        ),
    )  # fmt: skip


def _refuse(scores: Tensor, labels: Tensor, groups: Sequence[str], names: Sequence[str]) -> None:
    if not len(scores) == len(labels) == len(groups):
        raise InputError(f"{len(scores)} scores, {len(labels)} labels and {len(groups)} groups: give one of each for every case")
    if not bool(scores.isfinite().all()):
        raise InputError(f"{int((~scores.isfinite()).sum())} of {len(scores)} scores are not finite; find out why before comparing groups")
    found = sorted(set(labels.long().tolist()))
    if found != [0, 1]:
        raise InputError(f"the labels are {', '.join(map(str, found[:5]))}: to compare groups both classes are needed, as 0 and 1")
    if len(names) < 2:
        raise InputError(f"all cases are of the group {names[0]!r}: there is nothing to compare it with")
    empty = [name for name in names if name not in set(groups)]
    if empty:
        raise InputError(f"the group {empty[0]!r} has no members: leave it out, or name one of {', '.join(sorted(set(groups)))}")


def _gap(measure: str, names: Sequence[str], hit: Bool[Tensor, " case"], member: Int[Tensor, " case"], draws: int, seed: int) -> GroupGap:
    """The largest difference of two groups' shares, and what random groups show; `p` not corrected yet."""
    hits, sizes = torch.bincount(member[hit], minlength=len(names)), torch.bincount(member, minlength=len(names))
    shares = torch.where(sizes > 0, hits / sizes, torch.nan)
    high, low = int(shares.nan_to_num(-1).argmax()), int(shares.nan_to_num(2).argmin())
    gap = float(shares[high] - shares[low])
    # groups handed out at random: how many of the hits each one gets
    random = np.random.default_rng(seed).multivariate_hypergeometric(sizes.numpy(), int(hits.sum()), size=draws)
    drawn = (torch.from_numpy(random) / sizes)[:, sizes > 0]
    chance = drawn.amax(1) - drawn.amin(1)
    return GroupGap(
        measure, names[high], names[low], gap, newcombe(int(hits[high]), int(sizes[high]), int(hits[low]), int(sizes[low])),
        float(chance.quantile(0.95)), (1 + int((chance >= gap - 1e-9).sum())) / (1 + draws),
    )  # fmt: skip
