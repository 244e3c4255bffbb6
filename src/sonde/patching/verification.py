"""Is a set of components needed for an answer, and is it enough? Tested on prompts that took no part in choosing it.

Corrupting the whole set at once must take the answer away (necessity), and restoring the set alone in the corrupted run must bring it back
(sufficiency): each for at least half of the gap, and by more than random sets of the same size do.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonde.access import Model
from sonde.evidence import necessity, random_sets, sufficiency, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE, LOST
from sonde.patching.activation import activation_patching
from sonde.patching.results import PatchResult, short
from sonde.results import Drawing, Recipe, Result, Verdict
from sonde.results.drawing import Series, bars
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Verification(Result):
    """A set of components against random sets of the same size.

    Arguments:
        found: the set's sites.
        noising, denoising: the patches: first the set, then the random ones.
        verdicts: necessity and sufficiency.
    """

    found: list[str]
    noising: PatchResult
    denoising: PatchResult
    verdicts: list[Verdict]

    def to_frame(self) -> "DataFrame":
        """One row per direction, set and example."""
        import polars as pl

        return pl.concat([result.to_frame() for result in (self.noising, self.denoising)])

    def drawing(self) -> Drawing:
        """The set beside the mean of the random ones, in both directions."""
        effects = [result.effect for result in (self.noising, self.denoising)]
        intervals = [result.intervals() for result in (self.noising, self.denoising)]
        n = len(self.noising.clean)
        return bars(
            "Is the found set needed, and is it enough?",
            "share of the gap",
            ["lost when it is corrupted", "restored when it alone is clean"],
            [effect[0] for effect in effects],
            intervals=[None if ends is None else (float(ends[0, 0]), float(ends[0, 1])) for ends in intervals],
            bar_control=Series(f"mean of {len(effects[0]) - 1} random sets of that size", [effect[1:].mean() for effect in effects]),
            note=f"{', '.join(short(site) for site in self.found)}; on {n} prompts that took no part in choosing them.",
        )


def verify(model: Model, task: Task, found: list[str], candidates: list[str], seed: int = 0, sets: int = 20) -> Verification:
    """Test a set of components: is it needed, and is it enough?

    Arguments:
        model: the model.
        task: prompts that did not take part in choosing the set.
        found: the set's sites; at least one.
        candidates: the sites from which it was chosen, and from which the control draws sets of the same size. They may share members with the
            found set: drawing around it would make the control weaker than chance.
        seed: of the draws.
        sets: how many random sets.

    Raises:
        InputError: there are no more candidates than found sites.
    """
    names = ", ".join(short(site) for site in found)
    subject = f"{names[0].upper()}{names[1:]} {'together are' if len(found) > 1 else 'is'}"
    others = [chosen for chosen in random_sets(candidates, len(found), sets, seed) if set(chosen) != set(found)]
    noising, denoising = (activation_patching(model, task, [found, *others], direction) for direction in ("noising", "denoising"))
    ends = noising.clean, noising.corrupt
    return Verification(
        found=found,
        noising=noising,
        denoising=denoising,
        verdicts=[
            necessity(f"{subject} needed for the answer.", *ends, noising.values[0], noising.values[1:]),
            sufficiency(f"{subject} enough for the answer.", *ends, denoising.values[0], denoising.values[1:]),
        ],
        recipe=Recipe.of("sonde.patching.verify", {"found": found, "sets": sets}, model_hash=model.hash, inputs=task.content, seed=seed),
    )


def nothing_found(reason: str) -> Verdict:
    """The verdict where there is no set to test."""
    return untestable("Some heads or MLPs carry the answer.", LOST, reason, threshold=HALF, threshold_source=HALF_SOURCE)
