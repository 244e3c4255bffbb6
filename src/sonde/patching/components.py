"""Which heads and MLPs carry an answer, found on some prompts and tested on others.

Found: every component is patched alone, in both directions, on the search prompts; its score is the mean of both effects, so that neither
parts that back one another up nor parts in a chain are overlooked. The found set holds the components whose score is at least a tenth of the
gap, with an interval over the search prompts that excludes zero, the strongest first, at most eight and at most a third of all.

Tested, on evaluation prompts: corrupting the whole set at once must take the answer away (necessity), and restoring the set alone in the
corrupted run must bring it back (sufficiency), each for at least half of the gap and by more than random sets of the same size.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import bootstrap, compare, random_sets, t_interval, untestable
from sonde.patching.activation import activation_patching, head_sites, mlp_sites
from sonde.patching.results import Direction, PatchResult, short
from sonde.results import Drawing, Recipe, Result, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

LEAST_SCORE, MOST = 0.1, 8
NEEDED = "share of the gap lost when they are corrupted together; control: random sets of that size"
HALF, HALF_SOURCE = 0.5, "half of the gap between the prompts and their counterfactuals: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class Components(Result):
    """The components of a model by how far they carry an answer.

    Arguments:
        sites: every head and MLP.
        score: the mean of both effects, as a share of the gap.
        interval: of the score, over the search prompts.
        denoising, noising: the patches behind the scores.
        found: the indices of the found set, the strongest first.
    """

    sites: list[str]
    score: Float[Tensor, " component"]
    interval: Float[Tensor, "component 2"]
    denoising: PatchResult
    noising: PatchResult
    found: list[int]

    @property
    def names(self) -> list[str]:
        """The found components, the strongest first: `head 2.1`, `MLP 0`."""
        return [short(self.sites[i]) for i in self.found]

    def to_frame(self) -> "DataFrame":
        """One row per component."""
        import polars

        return polars.DataFrame(
            {
                "component": [short(site) for site in self.sites],
                "site": self.sites,
                "score": self.score.tolist(),
                "low": self.interval[:, 0].tolist(),
                "high": self.interval[:, 1].tolist(),
                "denoising": self.denoising.effect.tolist(),
                "noising": self.noising.effect.tolist(),
                "found": [i in self.found for i in range(len(self.sites))],
            }
        )

    def drawing(self, most: int = 12) -> Drawing:
        """The strongest components as ranked bars."""
        order = self.score.abs().argsort(descending=True)[:most].tolist()
        return bars(
            "Which heads and MLPs carry the answer?",
            "share of the gap, mean of both directions",
            [short(self.sites[i]) for i in order],
            self.score[order],
            intervals=[(low, high) for low, high in self.interval[order].tolist()],
            note=f"The strongest {len(order)} of {len(self.sites)}, over {len(self.denoising.clean)} search prompts; found: {', '.join(self.names) or 'none'}.",
        )

    def check(self, model: Model, task: Task, seed: int = 0, sets: int = 20) -> list[Verdict]:
        """Necessity and sufficiency of the found set on prompts that were not searched.

        Arguments:
            model: the model that was searched.
            task: evaluation prompts.
            seed: of the random sets.
            sets: how many random sets make the control.
        """
        self.refuse_other(model)
        return verify(model, task, [self.sites[i] for i in self.found], self.sites, seed, sets)


def find_components(model: Model, task: Task, seed: int = 0) -> Components:
    """Score every head and MLP on search prompts, and choose the set that carries the answer.

    Arguments:
        model: a language model of a known family.
        task: search prompts with counterfactuals; their gap must not be zero.
        seed: of the bootstrap.
    """
    sites = [*head_sites(model), *mlp_sites(model)]
    denoising = activation_patching(model, task, sites, "denoising")
    noising = activation_patching(model, task, sites, "noising")
    moved = (denoising.moved + noising.moved) / 2
    gaps = denoising.clean - denoising.corrupt
    score = (denoising.effect + noising.effect) / 2
    if len(gaps) > 1:
        low, high = bootstrap(torch.cat([moved, gaps[None]]).T, of=lambda means: means[..., :-1] / means[..., -1:], seed=seed)
        interval = torch.stack([low, high], -1).float()
    else:
        interval = torch.full((len(sites), 2), float("nan"))
    # where the gap itself may be zero, shares of it mean nothing
    explains = len(gaps) < 2 or t_interval(gaps)[0] > 0
    clear = (score >= LEAST_SCORE) & ~(interval[:, 0] <= 0) & explains
    ranked = [i for i in score.argsort(descending=True).tolist() if clear[i]]
    return Components(
        sites=[str(site) for site in sites], score=score, interval=interval, denoising=denoising, noising=noising,
        found=ranked[: min(MOST, max(1, len(sites) // 3))],
        recipe=Recipe.of("sonde.patching.find_components", {}, model_hash=model.hash, inputs=task.content, seed=seed),
    )  # fmt: skip


def nothing(reason: str) -> Verdict:
    """The verdict where there is no set to test."""
    return untestable("Some heads or MLPs carry the answer.", NEEDED, reason, threshold=HALF, threshold_source=HALF_SOURCE)


def verify(model: Model, task: Task, found: list[str], candidates: list[str], seed: int = 0, sets: int = 20) -> list[Verdict]:
    """Test a set of components on prompts: is it needed, and is it enough?

    Arguments:
        model: the model.
        task: prompts that did not take part in choosing the set.
        found: the set's sites.
        candidates: the sites from which it was chosen, and from which the control draws sets of the same size. They may share members with the found
            set: drawing around it would make the control weaker than chance.
        seed: of the draws.
        sets: how many random sets.
    """
    names = ", ".join(short(site) for site in found)
    are = "together are" if len(found) > 1 else "is"
    claims: dict[Direction, tuple[str, str]] = {
        "noising": (f"{_sentence(names)} {are} needed for the answer.", NEEDED),
        "denoising": (
            f"{_sentence(names)} {are} enough for the answer.",
            "share of the gap restored when only they are clean; control: random sets of that size",
        ),
    }
    if not found:
        return [nothing("no component reached a tenth of the gap on the search prompts")]
    drawn = random_sets(candidates, len(found), sets, seed)
    controls = [list(chosen) for chosen in drawn if set(chosen) != set(found)]
    verdicts = []
    for direction, (claim, measure) in claims.items():
        result = activation_patching(model, task, [found, *controls], direction)
        if result.gap <= 0:
            reason = f"on the evaluation prompts the counterfactual does not lower the metric (gap {result.gap:+.3g} {result.unit})"
            verdicts.append(untestable(claim, measure, reason, threshold=HALF, threshold_source=HALF_SOURCE))
            continue
        shares = result.moved / result.gap
        verdicts.append(compare(claim, measure, shares[0], shares[1:].mean(0), threshold=HALF, threshold_source=HALF_SOURCE, seed=seed))
    return verdicts


def _sentence(names: str) -> str:
    return names[0].upper() + names[1:]
