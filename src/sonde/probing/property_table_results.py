"""What a table of properties holds: of each, where it can be read, beside its controls, and whether the model is worse off without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import corrected
from sonde.probing.amnesic_results import Amnesic, AmnesicCase, Conclusion, concluded
from sonde.probing.erasure import RANDOM
from sonde.probing.sweep_results import CONTROL_TASK, ProbeSweep, short
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import matrix, table

if TYPE_CHECKING:
    from polars import DataFrame

VERDICTS: dict[Conclusion, tuple[float | None, float | None]] = {
    "encoded and used": (1.0, 1.0), "encoded only": (1.0, 0.0), "neither": (0.0, 0.0), "not settled": (None, None),
}  # fmt: skip
"""Of each conclusion whether it says encoded, and used."""


@dataclass(frozen=True, eq=False, repr=False)
class PropertyTable(Result):
    """Properties of one model by site: encoded, and used?

    Arguments:
        names: the properties.
        sites: where each was read, and taken out.
        sweeps: of each property the probes with their controls.
        removal: each property at each site, property by property.
    """

    names: list[str]
    sites: list[str]
    sweeps: list[ProbeSweep]
    removal: Amnesic

    @property
    def accuracy(self) -> Float[Tensor, "property site"]:
        """The share of held-out examples that the probes tell."""
        return torch.stack([sweep.accuracy for sweep in self.sweeps])

    @property
    def cost(self) -> Float[Tensor, "property site"]:
        """What is lost when each property is taken out at each site, the mean of the first measure."""
        return torch.tensor([float(case.effect[0].mean()) for case in self.removal.cases]).view(len(self.names), -1)

    @property
    def controls(self) -> list[str]:
        """What the probes are held against, of any property."""
        return list(dict.fromkeys(name for sweep in self.sweeps for name in sweep.controls if name != CONTROL_TASK))

    @property
    def readable(self) -> list[Verdict]:
        """Of each property at each site: does the probe beat the best of its controls? Corrected for their number."""
        return corrected([sweep.readable_at(site) for sweep in self.sweeps for site in self.sites])

    @property
    def conclusions(self) -> list[Conclusion]:
        """Of each property, from all sites together: used if it is encoded and missed at any of them, in intervals widened for all the claims."""
        threes, n = self.removal.threes, len(self.sites)
        return [concluded(threes[n * i : n * (i + 1)]) for i in range(len(self.names))]

    def used_at(self, name: str) -> list[str]:
        """The sites at which a property is encoded and used.

        Arguments:
            name: of the property.
        """
        n, i = len(self.sites), self.names.index(name)
        return [site for site, says in zip(self.sites, self.removal.conclusions[n * i : n * (i + 1)], strict=True) if says == "encoded and used"]

    @property
    def notes(self) -> list[str]:
        """What was decided, left out or is suspicious."""
        of_all = [note for note in self.sweeps[0].notes if all(note in one.notes for one in self.sweeps)]
        said = [f"{name}: {note}" for name, one in zip(self.names, self.sweeps, strict=True) for note in one.notes]
        shared = {f"{name}: {note}" for name in self.names for note in of_all}
        return [*of_all, *(note for note in dict.fromkeys([*said, *self.removal.notes]) if note not in shared)]

    def check(self, model: Any) -> list[Verdict]:
        """The verdicts on what can be read where, then three for each property and site: is it encoded, and is it missed more than random directions?

        Arguments:
            model: the one that was asked.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        return [*self.readable, *self.removal.verdicts]

    def to_frame(self) -> "DataFrame":
        """One row per property and site."""
        import polars as pl

        intervals = [ends for sweep in self.sweeps for ends in sweep.intervals]
        told = [self._controls(i, j) for i in range(len(self.names)) for j in range(len(self.sites))]
        frame = self.removal.to_frame().with_columns(
            pl.Series("low", [low for low, _ in intervals]),
            pl.Series("high", [high for _, high in intervals]),
            pl.Series("readable", [verdict.holds for verdict in self.readable], dtype=pl.Boolean),
            *(pl.Series(name, [one.get(name) for one in told], dtype=pl.Float64) for name in self.controls if name != "commonest"),
            pl.Series("in all", [says for says in self.conclusions for _ in self.sites]),
        )
        return frame.rename({"says": "here"})

    def drawing(self) -> Drawing:
        """What probes tell, site by site, beside the best of their controls; and the verdict on each property, hatched where it is not settled."""
        readable, n = self.readable, len(self.sites)
        best, details = [], []
        for i, sweep in enumerate(self.sweeps):
            known = {name: float(sweep.controls[name].nanmean(2).mean(0).max()) for name in self.controls if name in sweep.controls}
            hardest = max(known, key=known.__getitem__)
            best.append(known[hardest])
            details.append([*(_read(verdict) for verdict in readable[n * i : n * (i + 1)]), f"{hardest}, at its best site"])
        return encoded_matrix(self.names, self.sites, self.accuracy.tolist(), best, self.conclusions, details)

    def losses(self) -> Drawing:
        """What the model loses without each property at each site."""
        n, cases = len(self.sites), self.removal.cases
        return matrix(
            "What is lost without each property?", self.removal.measures[0], self.cost, row_name="property", rows=self.names, col_name="taken out at",
            cols=short(self.sites), details=[[_missed(case) for case in cases[n * i : n * (i + 1)]] for i in range(len(self.names))],
            note="What random directions cost, as many and such as take out as much variance, stands with each value.",
        )  # fmt: skip

    def summary(self) -> Drawing:
        """A row for each property: what is told at each site and by each control, where that is readable, where it is used, and the verdict."""
        heads = ["property", *short(self.sites), *self.controls, "readable at", "used at", "says"]
        readable, n, rows = self.readable, len(self.sites), []
        for i, (sweep, says) in enumerate(zip(self.sweeps, self.conclusions, strict=True)):
            known = self._controls(i, self.sites.index(sweep.best))
            held = sum(verdict.holds is True for verdict in readable[n * i : n * (i + 1)])
            used = ", ".join(short(self.used_at(self.names[i]))) or "nowhere"
            rows.append([self.names[i], *sweep.accuracy.tolist(), *map(known.get, self.controls), f"{held} of {n}", used, says])
        note = f"Controls at the site of the best probe. Used: more is lost without it ({self.removal.measures[0]}) than without random directions."
        return table("How is each property encoded and used?", heads, rows, note=note)

    def _controls(self, i: int, j: int) -> dict[str, float]:
        """What each control tells of a property at a site."""
        return {name: float(draws[:, j].nanmean()) for name, draws in self.sweeps[i].controls.items()}


def encoded_matrix(
    names: Sequence[str], sites: Sequence[str], accuracy: Sequence[Sequence[float]], control: Sequence[float], says: Sequence[Conclusion],
    details: Sequence[Sequence[str]],
) -> Drawing:  # fmt: skip
    """What probes tell by property and site, beside the best control of each property and the verdict on it.

    Arguments:
        names: the properties.
        sites: where they were probed.
        accuracy: of the probes, a row for each property.
        control: the accuracy of each property's best control.
        says: the verdict on each.
        details: what is told of each accuracy, and of the control.
    """
    values = [[*row, best, *VERDICTS[one]] for row, best, one in zip(accuracy, control, says, strict=True)]
    return matrix(
        "Which properties are encoded, and which are used?", "accuracy on held-out examples", values, row_name="property", rows=names,
        col_name="site, control, verdict", cols=[*short(sites), "best control", "encoded", "used"],
        details=[[*row, one, one] for row, one in zip(details, says, strict=True)], scale="sequential", limit=1.0, zero="none is told",
        note="The last two columns: 1 is yes, 0 is no, hatched is not settled. Used is what the model misses more than random directions.",
    )  # fmt: skip


def _read(verdict: Verdict) -> str:
    """How a cell of the first map was judged."""
    if verdict.holds is None:
        return f"not tested: {verdict.reason}"
    return f"{'better than' if verdict.holds else 'not shown to be better than'} the best control, {verdict.control:.3f}"


def _missed(case: AmnesicCase) -> str:
    """What random removals cost beside a cell of the second map."""
    costs = case.random[:, :, 0].mean(-1)
    return "; ".join(f"{like}: {float(own.mean()):.3g}, at most {float(own.max()):.3g}" for like, own in zip(RANDOM.values(), costs, strict=True))
