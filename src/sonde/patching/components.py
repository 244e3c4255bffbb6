"""Which heads and MLPs carry an answer, found on some prompts so that it can be tested on others.

Every component is patched alone, in both directions, on the search prompts; its score is the mean of both effects, so that neither parts that
back one another up nor parts in a chain are overlooked. The found set holds the components whose score is at least a tenth of the gap, with an
interval over the search prompts that excludes zero, the strongest first, at most eight and at most a third of all.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import bootstrap, t_interval
from sonde.patching.activation import activation_patching, head_sites, mlp_sites
from sonde.patching.results import PatchResult, short
from sonde.patching.verification import nothing_found, verify
from sonde.results import Drawing, Recipe, Result, Verdict
from sonde.results.drawing import bars, head_grid
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

LEAST_SCORE, MOST = 0.1, 8


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
        import polars as pl

        return pl.DataFrame(
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
        shown = f"The strongest {len(order)} of {len(self.sites)}, over {len(self.denoising.clean)} search prompts"
        return bars(
            "Which heads and MLPs carry the answer?",
            "share of the gap, mean of both directions",
            [short(self.sites[i]) for i in order],
            self.score[order],
            intervals=[(low, high) for low, high in self.interval[order].tolist()],
            note=f"{shown}; found: {', '.join(self.names) or 'none'}.",
        )

    def head_grid(
        self, n_layers: int, n_heads: int, patterns: Float[Tensor, "layer head query key"] | None = None, tokens: list[str] | None = None
    ) -> Drawing:  # fmt: skip
        """How far each head alone brings the answer back, as a grid: a row for each block.

        Arguments:
            n_layers, n_heads: of the model.
            patterns: attention of one prompt, which opens beside a head.
            tokens: that prompt's tokens.
        """
        effects = self.denoising.effect[: n_layers * n_heads].view(n_layers, n_heads)
        note = f"Mean over {len(self.denoising.clean)} search prompts" + (", attention on the prompt itself." if patterns is not None else ".")
        return head_grid("Which heads carry it?", "share of the gap brought back", effects, patterns=patterns, tokens=tokens, note=note)

    def check(self, model: Model, task: Task, seed: int = 0, sets: int = 20) -> list[Verdict]:
        """Necessity and sufficiency of the found set on prompts that were not searched.

        Arguments:
            model: the model that was searched.
            task: evaluation prompts.
            seed: of the random sets.
            sets: how many random sets make the control.
        """
        self.refuse_other(model)
        if not self.found:
            return [nothing_found("no component reached a tenth of the gap on the search prompts")]
        return verify(model, task, [self.sites[i] for i in self.found], self.sites, seed, sets).verdicts


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
