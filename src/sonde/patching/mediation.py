"""Causal mediation: how much of what a change of the prompt does goes through a place in the model, and how much goes around it?

With Y(x, M(x)) the metric of prompt x whose mediator is as x makes it, x' the counterfactual (Pearl 2001; Vig et al. 2020):

    total        TE  = Y(x', M(x')) - Y(x, M(x))
    direct       NDE = Y(x', M(x))  - Y(x, M(x))      the input changes, the mediator stays
    indirect     NIE = Y(x, M(x'))  - Y(x, M(x))      the mediator changes, the input stays: noising by the counterfactual
    controlled   CDE = Y(x', c)     - Y(x, c)         the input changes, the mediator is held at a constant c
    interaction  TE - NDE - NIE                       zero where the effect of the one does not depend on the other

Always TE(x -> x') = NDE(x -> x') - NIE(x' -> x); so both directions are told, and the interaction is what they differ by.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Site
from sonde.evidence import Estimate, bootstrap, compare, t_interval, untestable
from sonde.evidence.parts import HALF
from sonde.patching.activation import activation_patching
from sonde.patching.replacing import replacing
from sonde.patching.results import grouped, named, short
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

Mediator = str | Site | Sequence[str | Site]
EFFECTS = ("total", "direct", "indirect", "controlled", "interaction")
AT_THE_MEAN = Ablation("mean", over="all")


@dataclass(frozen=True, eq=False, repr=False)
class Mediation(Result):
    """The metric under every combination of input and mediator that the effects are made of.

    Arguments:
        mediators: what was looked at, one entry per mediator.
        clean, corrupt: Y(x, M(x)) and Y(x', M(x')).
        clean_with_other: Y(x, M(x')): the prompt with the counterfactual's mediator.
        corrupt_with_other: Y(x', M(x)): the counterfactual with the prompt's mediator.
        clean_held, corrupt_held: Y(x, c) and Y(x', c): both with the mediator held.
        held: what it is held at.
        unit: of the metric.
    """

    mediators: list[str]
    clean: Float[Tensor, " example"]
    corrupt: Float[Tensor, " example"]
    clean_with_other: Float[Tensor, "mediator example"]
    corrupt_with_other: Float[Tensor, "mediator example"]
    clean_held: Float[Tensor, "mediator example"]
    corrupt_held: Float[Tensor, "mediator example"]
    held: Ablation
    unit: str

    def effects(self, backwards: bool = False) -> dict[str, Float[Tensor, "mediator example"]]:
        """Every effect of each example, in the metric's unit, by its name.

        Arguments:
            backwards: of the change from the counterfactual to the prompt, instead of the other way.
        """
        start, end = (self.corrupt, self.clean) if backwards else (self.clean, self.corrupt)
        moved, kept = (self.corrupt_with_other, self.clean_with_other) if backwards else (self.clean_with_other, self.corrupt_with_other)
        controlled = self.clean_held - self.corrupt_held if backwards else self.corrupt_held - self.clean_held
        total, direct, indirect = (end - start).expand_as(moved), kept - start, moved - start
        return dict(zip(EFFECTS, (total, direct, indirect, controlled, total - direct - indirect), strict=True))

    def estimates(self, backwards: bool = False, seed: int = 0) -> dict[str, list[Estimate]]:
        """The mean of every effect over the examples with its 95 % interval (bootstrap), by its name, one for each mediator.

        Arguments:
            backwards: of the change from the counterfactual to the prompt, instead of the other way.
            seed: of the bootstrap.
        """
        effects = self.effects(backwards)
        return dict(zip(EFFECTS, (_estimates(effects[name], seed) for name in EFFECTS), strict=True))

    def selectivity(self, unrelated: "Mediation", seed: int = 0) -> list[Estimate]:
        """How much larger the indirect effect is than on a task that the mediator should have nothing to do with, with 95 % intervals.

        Sizes are compared, since what a mediator does to an unrelated task counts against it in either direction.

        Arguments:
            unrelated: the same mediators on the other task, by a metric of the same unit.
            seed: of the bootstrap.

        Raises:
            InputError: other mediators, or another unit.
        """
        self._refuse_unlike(unrelated)
        draws = torch.Generator().manual_seed(seed)
        found = []
        for mine, theirs in zip(self.effects()["indirect"], unrelated.effects()["indirect"], strict=True):
            here, there = (_resampled(values.double(), draws).abs() for values in (mine, theirs))
            low, high = torch.quantile(here - there, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
            found.append(Estimate(float(mine.mean().abs() - theirs.mean().abs()), low, high))
        return found

    def to_frame(self) -> "DataFrame":
        """One row per mediator, direction and effect."""
        import polars as pl

        rows = [
            (mediator, direction, name, estimate.value, estimate.low, estimate.high)
            for direction, backwards in (("prompt to counterfactual", False), ("counterfactual to prompt", True))
            for name, estimates in self.estimates(backwards).items()
            for mediator, estimate in zip(self.mediators, estimates, strict=True)
        ]
        frame = pl.DataFrame(rows, schema=["mediator", "change", "effect", "mean", "low", "high"], orient="row")
        held = self.held.told(len(self.clean))
        return frame.with_columns(pl.lit(held).alias("held at"), pl.lit(self.unit).alias("unit"), pl.lit(len(self.clean)).alias("n"))

    def drawing(self) -> Drawing:
        """Of one mediator all effects, of several the indirect effect of each, as bars."""
        estimates = self.estimates()
        n = len(self.clean)
        note = f"From prompt to counterfactual, mean over {n} {'prompts' if n > 1 else 'prompt'}; controlled: held at {self.held.told(n)}."
        if len(self.mediators) == 1:
            question, labels, drawn = f"How much goes through {short(self.mediators[0])}?", list(EFFECTS), [estimates[name][0] for name in EFFECTS]
        else:
            question, labels, drawn = "How much goes through each place?", [short(one) for one in self.mediators], estimates["indirect"]
            note = f"Indirect effects; the total is {estimates['total'][0].value:+.3g} {self.unit}. {note}"
        intervals = None if n < 2 else [(one.low, one.high) for one in drawn]
        return bars(question, self.unit, labels, [one.value for one in drawn], intervals=intervals, note=note)

    def check(self, model: Model, task: Task, controls: Iterable[Mediator], unrelated: Task | None = None) -> list[Verdict]:
        """Whether each mediator carries half of the total effect and more than controls do; and whether it leaves another task alone.

        Arguments:
            model: the model.
            task: prompts that took no part in choosing the mediators.
            controls: mediators of the same kind that were not chosen, such as random sets of heads of the same size; at least two.
            unrelated: a task of the same unit that they should have nothing to do with.

        Returns:
            One verdict for each mediator, and another for each with an unrelated task.
        """
        self.refuse_other(model)
        found = mediation(model, task, _back(self.mediators), self.held)
        measure, half = "natural indirect effect, share of the total; control: other places", "half of the total effect: a convention"
        if reason := found._no_total():
            return [untestable(_claim(name), measure, reason, threshold=HALF, threshold_source=half) for name in self.mediators]
        total = float((found.corrupt - found.clean).mean())
        shares, others = (one.effects()["indirect"] / total for one in (found, mediation(model, task, controls, self.held)))
        pairs = zip(self.mediators, shares, strict=True)
        verdicts = [compare(_claim(name), measure, share, others, threshold=HALF, threshold_source=half) for name, share in pairs]
        if unrelated is None:
            return verdicts
        apart = mediation(model, unrelated, _back(self.mediators), self.held)
        found._refuse_unlike(apart)
        n = min(len(task), len(unrelated))
        for name, here, there in zip(self.mediators, found.effects()["indirect"], apart.effects()["indirect"], strict=True):
            # both are drawn apart, so that which is beside which says nothing
            here, there = here[:n] * here.mean().sign(), there[:n] * there.mean().sign()
            measure = f"size of the natural indirect effect, {self.unit}; control: on {unrelated.name!r}"
            claim = f"{short(name)} does more for {task.name!r} than for {unrelated.name!r}."
            verdicts.append(compare(claim, measure, here, there, threshold=HALF * abs(total), threshold_source=half))
        return verdicts

    def _no_total(self) -> str:
        """Why there is nothing to mediate, with the figures; empty where the total effect is surely not zero."""
        total = self.corrupt - self.clean
        low, high = t_interval(total) if len(total) > 1 else (float("-inf"), float("inf"))
        figures = f"{float(total.mean()):+.3g} {self.unit}, 95 % interval {low:+.3g} to {high:+.3g} over {len(total)} examples"
        return f"the total effect is not surely different from zero: {figures}" if low <= 0 <= high else ""

    def _refuse_unlike(self, other: "Mediation") -> None:
        if other.mediators != self.mediators:
            raise InputError(f"these are effects through {', '.join(self.mediators)}, and those through {', '.join(other.mediators)}: give the same")
        if other.unit != self.unit:
            raise InputError(f"effects in {self.unit} and in {other.unit} can't be compared: use task.with_metric for one that both tasks have")


def mediation(
    model: Model, task: Task, mediators: Iterable[Mediator], held: Ablation = AT_THE_MEAN, batch_size: int | Literal["auto"] = "auto"
) -> Mediation:  # fmt: skip
    """Total, natural direct, natural indirect and controlled effects of the change from prompts to counterfactuals, for each mediator.

    Arguments:
        model: any model that the task's prompts suit.
        task: prompts with their counterfactuals, and a metric.
        mediators: one entry per mediator: a site, or several that are one mediator together; coordinates of an attached basis are sites too.
        held: the constant at which the mediator is held for the controlled effect: a mean, or zero.
        batch_size: rows per pass.

    Raises:
        InputError: no mediator; a value to hold it at that is no constant. UnknownSite.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=8)
    >>> found = mediation(model, task, ["blocks.3.resid_post"])
    >>> direct, indirect, total = (found.effects()[name].mean().item() for name in ("direct", "indirect", "total"))
    >>> abs(direct) < 1e-4, abs(indirect - total) < 1e-4
    (True, True)
    """
    if held.kind not in ("mean", "zero") or held.over == "template":
        raise InputError(f"held={str(held)!r} is no constant: hold a mediator at Ablation('mean'), Ablation('mean', over='all') or Ablation('zero')")
    groups = grouped([mediators] if isinstance(mediators, str | Site) else mediators)
    noising = activation_patching(model, task, groups, "noising", batch_size)
    denoising = activation_patching(model, task, groups, "denoising", batch_size)
    edits, _ = replacing(model, task, groups, held)
    held_clean, held_corrupt = (model.sweep(rows, edits, task.metric, batch_size, spans=task.spans).values for rows in (task.clean, task.corrupt))
    names = named(groups)
    return Mediation(
        names, noising.clean, denoising.corrupt, noising.values, denoising.values, held_clean.cpu(), held_corrupt.cpu(), held, noising.unit,
        recipe=Recipe.of("sonde.patching.mediation", {"mediators": names, "held": vars(held)}, model_hash=model.hash, inputs=task.content),
    )  # fmt: skip


def _estimates(values: Float[Tensor, "mediator example"], seed: int) -> list[Estimate]:
    means = values.mean(1).tolist()
    if values.shape[1] < 2:
        return [Estimate(mean, float("nan"), float("nan")) for mean in means]
    low, high = bootstrap(values.T, seed=seed)
    return [Estimate(*ends) for ends in zip(means, low.tolist(), high.tolist(), strict=True)]


def _resampled(values: Float[Tensor, " example"], generator: torch.Generator, draws: int = 2000) -> Float[Tensor, " draw"]:
    """The means of as many examples, drawn with replacement."""
    return values[torch.randint(len(values), (draws, len(values)), generator=generator)].mean(1)


def _back(names: Sequence[str]) -> list[list[str]]:
    """The groups of sites behind their names."""
    return [name.split(" + ") for name in names]


def _claim(name: str) -> str:
    return f"{short(name)} carries the change from prompt to counterfactual."
