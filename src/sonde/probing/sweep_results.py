"""What a sweep of probes found: how right they are at each site, beside what explains their success otherwise."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import compare, corrected, untestable
from sonde.probing.held_out import interval
from sonde.probing.probes import Probe
from sonde.probing.untrained import BROKEN
from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model

CONTROL_TASK = "control task"
BASELINES = ("commonest", "mean", "position", "word type")  # nothing in them is random
MEASURES = {True: "accuracy", False: "R^2, share of the variance"}


@dataclass(frozen=True, eq=False, repr=False)
class ProbeSweep(Result):
    """How right a probe is at each site.

    Arguments:
        name: what was asked.
        classes: the classes' names; empty where numbers were told.
        probe: the kind of probe.
        sites: where it read.
        width: how many entries it read at each site.
        right: whether each example of the test was told; of a number its share of R^2.
        bits: what each label costs who knows the probe; nan where it gives no probabilities.
        macro_f1: the mean of the classes' F1 at each site; nan for numbers.
        auc: of two classes, else nan.
        dev: how right it was at each site on examples that chose its penalty: what a site may be chosen by.
        groups: of each example of the test; those of one group are not independent.
        controls: as `right`, by name, for each draw; nan where the control task asks for a word that was not in the training.
        trained_on: how many examples it learnt from.
        types: how many different words there are: with few of them, or many entries, a probe can remember them all.
        probes: the trained probes, by site.
        notes: what was decided, left out or is suspicious.
    """

    name: str
    classes: tuple[str, ...]
    probe: str
    sites: list[str]
    width: list[int]
    right: Float[Tensor, "site example"]
    bits: Float[Tensor, "site example"]
    macro_f1: list[float]
    auc: list[float]
    dev: list[float]
    groups: Int[Tensor, " example"]
    controls: Mapping[str, Float[Tensor, "draw site example"]]
    trained_on: int
    types: int
    probes: list[Probe]
    notes: list[str]

    @property
    def accuracy(self) -> Float[Tensor, " site"]:
        """The share of the test's examples that were told; of numbers R^2."""
        return self.right.mean(1)

    @property
    def selectivity(self) -> Float[Tensor, " site"]:
        """How much better the task is told than its control task, over words that both could know; nan where there is no control task."""
        if CONTROL_TASK not in self.controls:
            return torch.full((len(self.sites),), torch.nan)
        control = self.controls[CONTROL_TASK]
        known = ~control[0, 0].isnan()
        return self.right[:, known].mean(1) - control[:, :, known].mean((0, 2))

    @property
    def best(self) -> str:
        """The site with the best probe, chosen on examples that are not in the test."""
        return self.sites[max(range(len(self.sites)), key=self.dev.__getitem__)]

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """The 95 % interval of `accuracy` at each site, over groups."""
        ends = [interval(row, self.groups) for row in self.right]
        return [(max(0.0, low), min(1.0, high)) for low, high in ends] if self.classes else ends

    def probe_at(self, site: str) -> Probe:
        """The trained probe of a site.

        Arguments:
            site: one of `sites`.

        Raises:
            InputError: it was not probed.
        """
        return self.probes[self._place(site)]

    def to_frame(self) -> "DataFrame":
        """One row per site for the probe, and one per site and draw for each control."""
        import polars as pl

        rows: list[tuple[Any, ...]] = [
            (site, self.probe, None, float(self.accuracy[i]), *self.intervals[i], self.macro_f1[i], self.auc[i], float(self.bits[i].mean()))
            for i, site in enumerate(self.sites)
        ]
        rows += [
            (site, name, draw, float(one[i].nanmean()), None, None, None, None, None)
            for name, draws in self.controls.items()
            for draw, one in enumerate(draws)
            for i, site in enumerate(self.sites)
        ]
        numbers = ("score", "low", "high", "macro_f1", "auc", "bits")
        schema = {"site": pl.String, "what": pl.String, "draw": pl.Int64, **dict.fromkeys(numbers, pl.Float64)}
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(*numbers).fill_nan(None))

    def drawing(self) -> Drawing:
        """The property by site with its interval, and every control; the band is a model that learnt nothing, or else the hardest random control."""
        means = {name: draws.nanmean(2) for name, draws in self.controls.items()}
        drawn = {name: mean for name, mean in means.items() if len(mean) > 1 or name not in BASELINES}
        hardest = sorted(drawn, key=lambda name: (name in BROKEN, float(drawn[name].mean())))
        band = hardest[-1] if hardest else None
        series = [Series(self.name, self.accuracy, [low for low, _ in self.intervals], [high for _, high in self.intervals])]
        series += [Series(name, mean.mean(0)) for name, mean in means.items() if name != band]
        control = None if band is None else Series(band, drawn[band].mean(0), drawn[band].amin(0), drawn[band].amax(0))
        note = f"{self.probe} probes, {self.trained_on:,} examples to learn from, {self.right.shape[1]:,} to be judged on; 95 % interval over groups"
        if control is not None:
            note += f"; the band reaches over {len(drawn[str(band)])} draws of: {band}"
        return lines(
            f"Where can {self.name} be read?", MEASURES[bool(self.classes)], "site", short(self.sites), series[:8], control=control, note=note
        )

    def check(self, model: "Model | None" = None, *args: Any, sites: Sequence[str] | None = None, **kwargs: Any) -> list[Verdict]:
        """Is the property readable, at each site, better than by the best control? And does the best probe read it, rather than remember words?

        Arguments:
            model: that was probed; none where activations were given.
            args, kwargs: none.
            sites: which sites; all of them by default, their intervals widened for so many claims.

        Raises:
            CheckRefused: another model.
        """
        if model is not None:
            self.refuse_other(model)
        wanted = [self._place(site) for site in sites] if sites is not None else range(len(self.sites))
        found = corrected([self.readable_at(self.sites[i]) for i in wanted])
        best = self._place(self.best)
        if self.sites[0] == "embed" and best != 0 and sites is None:
            claim = f"{self.name} is better readable at {self.best} than in the embedding."
            found.append(self._judged(claim, self.right[best], self.right[0]))
        if CONTROL_TASK in self.controls:
            found.append(self._selective(best))
        return found

    def readable_at(self, site: str) -> Verdict:
        """Is the property readable at a site, better than by the best control? A claim among others: they are `corrected` together.

        Arguments:
            site: one of `sites`.

        Raises:
            InputError: it was not probed.
        """
        i = self._place(site)
        rivals = {name: draws[:, i] for name, draws in self.controls.items() if name != CONTROL_TASK}
        hardest = max(rivals, key=lambda name: float(rivals[name].mean()))
        how = "linearly readable" if self.probe in ("logistic", "ridge") else f"readable by an {self.probe} probe"
        claim = f"{self.name} is {how} at {self.sites[i]}, better than by {_spoken(hardest)}."
        return self._judged(claim, self.right[i], rivals[hardest])

    def _selective(self, i: int) -> Verdict:
        control = self.controls[CONTROL_TASK][:, i]
        known = ~control[0].isnan()
        claim = f"The probe of {self.name} at {self.sites[i]} reads it: it is better than at random labels of the same words."
        return self._judged(claim, self.right[i, known], control[:, known], self.groups[known])

    def _judged(self, claim: str, measured: Tensor, control: Tensor, groups: Tensor | None = None) -> Verdict:
        """The claim against a control, groups of examples counting as one."""
        name = "commonest" if self.classes else "mean"
        threshold, source = float(self.controls[name].mean()), f"what the {'commonest class' if self.classes else 'mean'} tells"
        measure = f"{MEASURES[bool(self.classes)]} on examples held out"
        if not len(measured):
            return untestable(claim, measure, "no word of the test occurs in the training", threshold=threshold, threshold_source=source)
        draws = control if control.ndim == 2 and len(control) > 1 else control.reshape(-1)
        blocks = self.groups if groups is None else groups
        return compare(claim, measure, measured, draws, threshold=threshold, threshold_source=source, blocks=blocks)

    def _place(self, site: str) -> int:
        if site not in self.sites:
            raise InputError(f"{site!r} was not probed; there are {', '.join(self.sites)}")
        return self.sites.index(site)


def short(sites: Sequence[str]) -> list[str]:
    """Names of sites as an axis has room for: a block's number for what it leaves behind.

    Arguments:
        sites: their names.

    >>> short(["embed", "blocks.3.resid_post", "lstm0:out"])
    ['embed', 'block 3', 'lstm0:out']
    """
    return [re.sub(r"^blocks\.(\d+)\.resid_post$", r"block \1", site) for site in sites]


def _spoken(control: str) -> str:
    """A control as words in a claim."""
    return {
        "commonest": "the commonest class", "mean": "the mean", "position": "the position alone", "word type": "the word alone",
        "shuffled labels": "a probe of shuffled labels", "untrained model": "the same probe of an untrained model",
        "permuted weights": "the same probe of the model with its weights in random order",
    }.get(control, control)  # fmt: skip
