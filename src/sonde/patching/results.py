"""What patching returns: the metric under each patch, beside both unpatched runs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Site
from sonde.evidence import bootstrap
from sonde.results import Drawing, InputError, Result
from sonde.results.drawing import bars, matrix
from sonde.tasks import Ablation

if TYPE_CHECKING:
    from polars import DataFrame

Direction = Literal["denoising", "noising"]


@dataclass(frozen=True, eq=False, repr=False)
class PatchResult(Result):
    """A metric under patches, one at a time.

    Arguments:
        direction: "denoising": the corrupted run with the clean value at one site (is it enough?); "noising": the clean run with the corrupted value
            there (is it needed?).
        sites: what was patched, one entry per patch.
        values: the metric under each patch.
        clean, corrupt: the metric of both runs without patches.
        unit: of the metric.
        tokens: the text of the first example's tokens, for labels.
        ablation: what noising writes.
        n_partners: how many counterfactuals that is made of.
    """

    direction: Direction
    sites: list[str]
    values: Float[Tensor, "patch example"]
    clean: Float[Tensor, " example"]
    corrupt: Float[Tensor, " example"]
    unit: str
    tokens: list[str]
    ablation: Ablation
    n_partners: int

    @property
    def gap(self) -> float:
        """Clean minus corrupted metric, the mean over examples: what there is to explain."""
        return float((self.clean - self.corrupt).mean())

    @property
    def moved(self) -> Float[Tensor, "patch example"]:
        """How far each patch moves the metric from the run it is made in towards the other one, in the metric's unit."""
        return self.values - self.corrupt if self.direction == "denoising" else self.clean - self.values

    @property
    def change(self) -> Float[Tensor, " patch"]:
        """The metric with each patch minus the metric of the run that it is made in, the mean over examples, in the metric's unit.

        For noising that is ablated minus intact: negative at a part that carries the answer, under a metric that is better when larger.
        """
        return (self.values - (self.corrupt if self.direction == "denoising" else self.clean)).mean(-1)

    @property
    def written(self) -> str:
        """What is written, in words."""
        return "the clean value" if self.direction == "denoising" else self.ablation.told(self.n_partners)

    @property
    def effect(self) -> Float[Tensor, " patch"]:
        """The share of the gap that each patch moves: a ratio of means over examples, not a mean of ratios, which small gaps would rule.

        The gap is always that between prompt and counterfactual, also where something else than the counterfactual's value is written: then nothing
        keeps a share below 1.
        """
        return self.moved.mean(-1) / self._divisor()

    def intervals(self, seed: int = 0) -> Float[Tensor, "patch 2"] | None:
        """95 % intervals of `effect` over the examples (bootstrap of the ratio of means); `None` with fewer than two examples."""
        if self.values.shape[1] < 2:
            return None
        gaps = self.clean - self.corrupt
        stacked = torch.cat([self.moved, gaps[None]]).T
        low, high = bootstrap(stacked, of=lambda means: means[..., :-1] / means[..., -1:], seed=seed)
        return torch.stack([low, high], -1)

    def to_frame(self) -> "DataFrame":
        """One row per patch and example."""
        import polars as pl

        n = self.values.shape[1]
        return pl.DataFrame(
            {
                "site": [site for site in self.sites for _ in range(n)],
                "example": list(range(n)) * len(self.sites),
                "value": self.values.flatten().tolist(),
                "clean": self.clean.tolist() * len(self.sites),
                "corrupt": self.corrupt.tolist() * len(self.sites),
            }
        ).with_columns(pl.lit(self.direction).alias("direction"), pl.lit(self.written).alias("written"))

    def drawing(self) -> Drawing:
        """The effects as ranked bars."""
        intervals = self.intervals()
        ends = None if intervals is None else [(low, high) for low, high in intervals.tolist()]
        return bars(self._question(), "share of the gap", [short(site) for site in self.sites], self.effect, intervals=ends, note=self._note())

    def grid(self, rows: list[str], row_name: str, cols: list[str], col_name: str, title: str = "", first: int | None = None) -> Drawing:
        """The effects as a heat map.

        Arguments:
            rows, row_name, cols, col_name: the sites were given row by row.
            title: the question that the map answers.
            first: draw only so many of the patches, from the first on.
        """
        n, width = len(self.sites[:first]), len(cols)
        details = [f"{site}: {moved:+.3g} {self.unit}" for site, moved in zip(self.sites[:n], self.moved.mean(-1).tolist(), strict=False)]
        return matrix(
            title or self._question(),
            "share of the gap",
            self.effect[:n].view(len(rows), width),
            row_name=row_name,
            rows=rows,
            col_name=col_name,
            cols=cols,
            details=[details[r * width : (r + 1) * width] for r in range(len(rows))],
            note=self._note(),
        )

    def _question(self) -> str:
        return "Which patch brings the answer back?" if self.direction == "denoising" else "Which patch takes the answer away?"

    def _note(self) -> str:
        n = len(self.clean)
        return f"1 is the whole way between both runs, {self.gap:+.3g} {self.unit}; {self.direction} ({self.written}), " + (
            "one prompt" if n == 1 else f"mean over {n} prompts"
        )

    def _divisor(self) -> float:
        if abs(self.gap) < 1e-9:
            raise InputError(
                f"the metric is the same in both runs, {float(self.clean.mean()):.3g} {self.unit} in the mean over {len(self.clean)} examples: "
                "there is nothing to explain; choose another counterfactual or metric"
            )
        return self.gap


def short(site: str) -> str:
    """A place's name for people, where it has one; else the site.

    >>> [short(site) for site in ("blocks.2.attn.z[head=1]", "blocks.2.attn.q[head=1]", "blocks.0.mlp.out", "blocks.0.mlp.in", "embed")]
    ['head 2.1', 'q of head 2.1', 'MLP 0', 'input of MLP 0', 'embed']
    """
    if found := re.fullmatch(r"blocks\.(\d+)\.attn\.([qkvz])\[(kv_)?head=(\d+)\]", site):
        layer, part, shared, head = found.groups()
        return ("" if part == "z" else f"{part} of ") + f"{'key-value ' if shared else ''}head {layer}.{head}"
    if found := re.fullmatch(r"blocks\.(\d+)\.mlp\.(in|out)", site):
        return ("input of " if found[2] == "in" else "") + f"MLP {found[1]}"
    return site


def grouped(sites: Iterable[str | Site | Sequence[str | Site]]) -> list[list[Site]]:
    """What was given to be patched, as one list of sites per patch; raises `InputError` where there is nothing."""
    groups = [[Site.parse(one)] if isinstance(one, str | Site) else [Site.parse(site) for site in one] for one in sites]
    if not groups or not all(groups):
        raise InputError("nothing to patch: give at least one site, and at least one in every group")
    return groups


def named(groups: Iterable[Sequence[Site]]) -> list[str]:
    """The name of each patch; its sites stand in it with " + " between."""
    return [" + ".join(str(site) for site in group) for group in groups]
