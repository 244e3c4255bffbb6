"""What removal returns: probes before and after, beside random directions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import block_means, bootstrap, necessity
from sonde.probing.checked import Checked
from sonde.probing.erasure import NAMES, RANDOM, Kind
from sonde.results import Drawing, Verdict
from sonde.results.drawing import table

if TYPE_CHECKING:
    from polars import DataFrame

HALF_SOURCE = "half of what a linear probe tells beyond the commonest class: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class Removal(Checked):
    """What probes find before and after a concept is taken out of a model's states, site by site.

    Arguments:
        concept: what was taken out.
        sites: where it was taken out, each on its own.
        kind: of the erasers.
        train: how often a linear probe is right on the examples that it and the eraser were fitted on.
        linear: whether a linear probe is right, 1 or 0, on held-out examples.
        mlp: whether an MLP is.
        main: whether a linear probe of another property is; `None` without one.
        main_name: that property.
        random: whether a linear probe of the concept is right after random erasers of equal rank, and of as much removed variance.
        majority: whether the commonest class is right.
        groups: examples of one group are not independent.
        rank: of each eraser.
        change: mean squared length of what it takes out.
        random_change: the same of the random erasers of both kinds, the mean over draws.
        before: largest cross-covariance of an entry with the classes before erasing, on the examples it was fitted on.
        residual: the same after it.
        variance: of the states, all entries together.
        notes: what was decided, left out or is suspicious.
    """

    concept: str
    sites: list[str]
    kind: Kind
    train: Float[Tensor, "site 2"]
    linear: Float[Tensor, "site 2 example"]
    mlp: Float[Tensor, "site 2 example"]
    main: Float[Tensor, "site 2 example"] | None
    main_name: str
    random: Float[Tensor, "site 2 draw example"]
    majority: Float[Tensor, " example"]
    groups: Int[Tensor, " example"]
    rank: Int[Tensor, " site"]
    change: Float[Tensor, " site"]
    random_change: Float[Tensor, "site 2"]
    before: Float[Tensor, " site"]
    residual: Float[Tensor, " site"]
    variance: Float[Tensor, " site"]
    notes: list[str]

    @property
    def verdicts(self) -> list[Verdict]:
        """For each site and control: whether what the eraser takes out is what a linear probe tells the concept by."""
        found = []
        majority = block_means(self.majority, self.groups)
        for s, site in enumerate(self.sites):
            before, after = (block_means(self.linear[s, i], self.groups) for i in range(2))
            for by, like in enumerate(RANDOM.values()):
                random = block_means(self.random[s, by].T, self.groups).T
                claim = f"{NAMES[self.kind]} takes {self.concept} from linear probes at {site}, and {like} do not."
                measure = f"share of what a probe tells beyond the commonest class that is lost; control: {like}"
                found.append(necessity(claim, before, majority, after, random, measure=measure, threshold_source=HALF_SOURCE))
        return found

    def to_frame(self) -> "DataFrame":
        """One row per site and state of things: intact, erased, and the two random controls."""
        import polars as pl

        rows = [dict(zip(_COLUMNS, [site, *row], strict=True)) for s, site in enumerate(self.sites) for row in self._rows(s)]
        return pl.DataFrame(rows, schema={name: pl.String if i < 2 else pl.Float64 for i, name in enumerate(_COLUMNS)})

    def drawing(self) -> Drawing:
        """The table of removal, with intervals over groups of held-out examples."""
        columns = [name for name in _COLUMNS if name != "main" or self.main is not None]
        heads = [self.main_name if name == "main" else name for name in columns]
        rows, ends = [], []
        for s, site in enumerate(self.sites):
            intervals = self._intervals(s)
            for i, row in enumerate(self._rows(s)):
                cells = dict(zip(_COLUMNS, [site, *row], strict=True))
                rows.append(["" if cells[name] is None else cells[name] for name in columns])  # of random erasers not all is asked
                ends.append([intervals[i] if name == "linear probe" else None for name in columns])
        n, majority = len(self.majority), float(self.majority.mean())
        left = float(self.mlp[:, 1].mean(-1).max())
        note = (
            f"Accuracy on {n} held-out examples; the commonest class is right on {majority:.3f}. Only what is linear is taken out: an MLP is still "
            f"right on up to {left:.3f}. Change: mean squared length taken out, as a share of the variance."
        )
        return table(f"What is left of {self.concept}?", heads, rows, intervals=ends, note=note)

    def _rows(self, s: int) -> list[list[Any]]:
        """The cells of a site after its name."""
        main = [None, None] if self.main is None else self.main[s].mean(-1).tolist()
        linear, mlp, share = self.linear[s].mean(-1).tolist(), self.mlp[s].mean(-1).tolist(), float(self.change[s] / self.variance[s])
        random = self.random[s].mean((-1, -2)).tolist()
        intact = ["intact", float(self.train[s, 0]), linear[0], mlp[0], main[0], 0.0, 0.0, float(self.before[s])]
        erased = [NAMES[self.kind], float(self.train[s, 1]), linear[1], mlp[1], main[1], float(self.rank[s]), share, float(self.residual[s])]
        taken = (self.random_change[s] / self.variance[s]).tolist()
        controls = [
            [like, None, right, None, None, float(self.rank[s]) if by == "rank" else None, took, None]
            for (by, like), right, took in zip(RANDOM.items(), random, taken, strict=True)
        ]
        return [intact, erased, *controls]

    def _intervals(self, s: int) -> list[tuple[float, float] | None]:
        """The ends of the linear probe's accuracy in each row, over groups."""
        if len(self.groups.unique()) < 2:
            return [None] * 4
        values = torch.cat([self.linear[s], self.random[s].mean(1)])
        low, high = bootstrap(values.T, blocks=self.groups)
        return list(zip(low.tolist(), high.tolist(), strict=True))


_COLUMNS = (
    "site", "eraser", "linear probe, fitted on", "linear probe", "MLP", "main", "rank", "change", "cross-covariance",
)  # fmt: skip
