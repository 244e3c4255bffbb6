"""Both error rates of a description: how often it misses a firing token, and how often it points to a silent one.

Firing tokens are drawn evenly over the activation (equally many from each of ten evenly spaced intervals up to the maximum), since most firings are
weak and a description that fits only the strongest would else look wrong nearly always, or right, by the choice of examples. Silent tokens are drawn
from all. With the density d of the latent, the misses m over all firings and the false alarms f, of the tokens that a description points to are
silent

    (1 - d) f / (d (1 - m) + (1 - d) f)

which is large even for a small f where the latent is rare.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import wilson
from sonde.features.descriptions.judges import Judge, RuleJudge
from sonde.features.descriptions.measures import readable, yes
from sonde.features.descriptions.recording import Recording
from sonde.features.descriptions.results import Descriptions
from sonde.features.descriptions.stored import stored
from sonde.features.descriptions.windows import SIZE, Grid, Window, drawn
from sonde.jobs import track
from sonde.results import InputError, Recipe, Result
from sonde.results.drawing import Control, Drawing, Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.features.database import Features


@dataclass(frozen=True, eq=False)
class Rates:
    """How often one description is wrong.

    Arguments:
        latent: whose description it is.
        text: the description.
        edges: of the intervals of activation.
        shares: of the firings in each interval.
        n: firing tokens asked about in each interval.
        missed: of these, how many it does not point to; an answer that can't be read counts half.
        n_silent: silent tokens asked about.
        alarms: of these, how many it points to.
        density: the share of tokens on which the latent fires.
        failures: answers that could not be read.
    """

    latent: int
    text: str
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    n: tuple[int, ...]
    missed: tuple[float, ...]
    n_silent: int
    alarms: float
    density: float
    failures: int

    @property
    def by_interval(self) -> tuple[float, ...]:
        """The share missed in each interval; NaN where the latent has no activation in it."""
        return tuple(missed / n if n else math.nan for missed, n in zip(self.missed, self.n, strict=True))

    @property
    def misses(self) -> float:
        """The share missed of all firings: the intervals weighted by how many firings they hold."""
        return math.fsum(share * rate for share, rate in zip(self.shares, self.by_interval, strict=True) if share)

    @property
    def even_misses(self) -> float:
        """The share missed where every interval of activation counts the same."""
        known = [rate for rate in self.by_interval if not math.isnan(rate)]
        return math.fsum(known) / len(known)

    @property
    def false_alarms(self) -> float:
        """The share of silent tokens that it points to."""
        return self.alarms / self.n_silent

    @property
    def pointless(self) -> float:
        """Of all tokens that it points to, the share that is silent; NaN where it points nowhere."""
        right, wrong = self.density * (1 - self.misses), (1 - self.density) * self.false_alarms
        return wrong / (right + wrong) if right + wrong else math.nan


@dataclass(frozen=True, eq=False, repr=False)
class ErrorRates(Result):
    """The error rates of some descriptions; made by `error_rates`.

    Arguments:
        rates: one for each latent.
        judge: who read the descriptions.
    """

    rates: tuple[Rates, ...]
    judge: str

    def to_frame(self) -> "DataFrame":
        """One row for each latent and interval of activation, and one for its silent tokens, with 95 % intervals of the rates."""
        import polars as pl

        rows = []
        for r in self.rates:
            counted = [(a, b, n, missed) for a, b, n, missed in zip(r.edges, r.edges[1:], r.n, r.missed, strict=False) if n]
            rows += [_row(r, "misses", a, b, n, missed) for a, b, n, missed in counted]
            rows.append(_row(r, "false alarms", 0.0, 0.0, r.n_silent, r.alarms))
        return pl.DataFrame(rows)

    def drawing(self) -> Drawing:
        """What is missed by the strength of the activation, averaged over the latents, beside the false alarms."""
        width = len(self.rates[0].n)
        series = Series("missed", [_mean([r.by_interval[i] for r in self.rates]) for i in range(width)])
        alarms = Control("false alarms on silent tokens", _mean([r.false_alarms for r in self.rates]) or 0.0)
        labels = [f"{i / width:.1f}–{(i + 1) / width:.1f}" for i in range(width)]
        return lines("Which firings do the descriptions miss?", "share", "activation / maximum", labels, [series], control=alarms)


def error_rates(
    features: "Recording | Features", descriptions: Descriptions | Mapping[int, str], judge: Judge | None = None, per_interval: int = 20,
    intervals: int = 10, n_silent: int = 200, window: int = SIZE, seed: int = 0, progress: bool = False,
) -> ErrorRates:  # fmt: skip
    """Ask about single tokens, drawn evenly over the activation, and about silent ones.

    Arguments:
        features: a database, or a recording.
        descriptions: of latents; those without words are left out.
        judge: who reads them; the rules of the offline explainer by default.
        per_interval: firing tokens of each interval at most.
        intervals: of the activation, between 0 and its highest.
        n_silent: silent tokens.
        window: tokens of a window.
        seed: as it was for `describe`, whose explainer saw one half of the texts: the tokens are of the other.
        progress: show a bar.

    Raises:
        InputError: no description; numbers below 1.
    """
    texts = {d.latent: d.text for d in descriptions.descriptions} if isinstance(descriptions, Descriptions) else dict(descriptions)
    recording = features if isinstance(features, Recording) else stored(features)
    grid = Grid(recording.split(seed)[1], window)
    wanted = {latent: text for latent, text in texts.items() if text and len(grid.recording.firing(latent)[0])}
    if not wanted or min(per_interval, intervals, n_silent) < 1:
        raise InputError(
            f"{len(wanted)} descriptions of latents that fire in the texts for judging, per_interval={per_interval}, intervals={intervals}, "
            f"n_silent={n_silent}: give at least one of each"
        )
    judge = judge or RuleJudge()
    found = [
        _rates(grid, judge, latent, wanted[latent], per_interval, intervals, n_silent, seed)
        for latent in track(list(wanted), "asking", shown=progress)
    ]
    arguments = {
        "latents": list(wanted),
        "judge": judge.name,
        "per_interval": per_interval,
        "intervals": intervals,
        "n_silent": n_silent,
        "window": window,
    }
    recipe = Recipe.of(
        "sonde.features.error_rates", arguments, model_hash=recording.model_hash, inputs=[recording.hash, list(wanted.values())], seed=seed
    )
    return ErrorRates(tuple(found), judge.name, recipe=recipe)


def _rates(grid: Grid, judge: Judge, latent: int, text: str, per_interval: int, intervals: int, n_silent: int, seed: int) -> Rates:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + latent)
    where, values = grid.recording.firing(latent)
    most = float(values.max())
    interval = (values / most * intervals).ceil().long().clamp(1, intervals) - 1
    chosen = [drawn(where[interval == i], per_interval, generator) for i in range(intervals)]
    silent = torch.ones(len(grid.recording), dtype=torch.bool)
    silent[where] = False
    others = drawn(silent.nonzero().flatten(), n_silent, generator)
    activations = grid.recording.activations(latent)
    answers = judge.fires_at(text, [_marked(grid, int(token), activations) for token in torch.cat([*chosen, others])])
    said = [yes(probability) for probability in readable(answers)]
    n = [len(part) for part in chosen]
    ends = [sum(n[: i + 1]) for i in range(intervals)]
    missed = [size - math.fsum(said[end - size : end]) for size, end in zip(n, ends, strict=True)]
    shares = (torch.bincount(interval, minlength=intervals).double() / len(where)).tolist()
    edges = tuple(most * i / intervals for i in range(intervals + 1))
    return Rates(
        latent, text, edges, tuple(shares), tuple(n), tuple(missed), len(others), math.fsum(said[ends[-1] :]), len(where) / len(grid.recording),
        answers.count(None),
    )  # fmt: skip


def _marked(grid: Grid, token: int, activations: Float[Tensor, " token"]) -> tuple[Window, tuple[int, ...]]:
    example = grid.example(int(grid.of[token]), activations)
    return example.window, (token - example.origin,)


def _row(rates: Rates, kind: str, low: float, high: float, n: int, count: float) -> dict[str, object]:
    # an answer that could not be read counts half: the interval holds both whole numbers
    ends = wilson(math.floor(count), n)[0], wilson(math.ceil(count), n)[1]
    return {
        "latent": rates.latent, "description": rates.text, "error": kind, "low": low, "high": high, "n": n, "rate": count / n, "rate_low": ends[0],
        "rate_high": ends[1],
    }  # fmt: skip


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else None
