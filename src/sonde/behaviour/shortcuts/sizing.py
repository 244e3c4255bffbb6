"""How large is a shortcut? What putting a cue in and taking it out does to the class that the model says.

- *flips*: of the examples of other classes without the cue, how many the model says to be of its class once it is put in;
- *leaves*: of the examples of its class that have it, how many the model no longer says to be of that class once it is taken out;
- *rests*: the share of the accuracy on examples that have it which is lost when it is taken out of all of them;
- *conflict*: the accuracy on examples of other classes with the cue put in: where cue and content disagree, which one decides?

Each stands beside the same with as much of something else put in or taken out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.access import Model
from sonde.behaviour.classes import class_logits
from sonde.behaviour.shortcuts.cues import Cue
from sonde.evidence import bootstrap, compare, corrected, wilson
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, bars, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

THRESHOLD, SOURCE = 0.1, "one example in ten: a convention"


@dataclass(frozen=True)
class CueShare:
    """A share of examples beside the same under the control.

    Arguments:
        hits, n: how many, of how many.
        control: how many under the control.
    """

    hits: int
    n: int
    control: int

    @property
    def value(self) -> float:
        """The share; NaN where there are no examples."""
        return self.hits / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the share, at 95 %."""
        return wilson(self.hits, self.n) if self.n else None

    @property
    def control_value(self) -> float:
        """The share under the control."""
        return self.control / self.n if self.n else float("nan")


@dataclass(frozen=True)
class CueEffect:
    """What one cue does.

    Arguments:
        name: of the cue.
        outcome: the class that it may lead to.
        flips: of other classes' examples, those that become of its class with it.
        leaves: of its class's examples that have it, those that leave the class without it.
        accuracy: on the examples that have it.
        without: on these, the cue taken out.
        rests: the share of that accuracy which is lost, with its interval; NaN and `None` where no example has it.
        rests_interval: of that share, at 95 %.
        conflict: the accuracy on examples of other classes with the cue put in.
        no_conflict: the accuracy on the same as they are.
    """

    name: str
    outcome: int
    flips: CueShare
    leaves: CueShare
    accuracy: float
    without: float
    rests: float
    rests_interval: tuple[float, float] | None
    conflict: float
    no_conflict: float


@dataclass(frozen=True, eq=False, repr=False)
class Shortcuts(Result):
    """What each cue does.

    Arguments:
        effects: of the cues, in the order given.
    """

    effects: list[CueEffect]

    def to_frame(self) -> "DataFrame":
        """One row per cue."""
        import polars as pl

        rows = [
            (
                one.name, one.outcome, one.flips.value, *(one.flips.interval or (None, None)), one.flips.control_value, one.leaves.value,
                one.leaves.control_value, one.accuracy, one.without, one.rests, one.no_conflict, one.conflict,
            )
            for one in self.effects
        ]  # fmt: skip
        heads = ["cue", "class", "flips", "low", "high", "flips_control", "leaves", "leaves_control"]
        return pl.DataFrame(rows, [*heads, "accuracy", "without", "rests", "no_conflict", "conflict"], orient="row").fill_nan(None)

    def drawing(self) -> Drawing:
        """The flips beside their control, and all figures."""
        names = [f"{one.name} to {one.outcome}" for one in self.effects]
        other = Series("something else put in", [one.flips.control_value for one in self.effects])
        flips = bars(
            "Does putting the cue in turn the answer?", "share of other classes' examples", names, [one.flips.value for one in self.effects],
            intervals=[one.flips.interval for one in self.effects], bar_control=other,
        )  # fmt: skip
        heads = ["cue", "class", "flips", "control", "leaves", "control ", "accuracy with it", "taken out", "share that rests on it", "in conflict"]
        rows = [
            [one.name, one.outcome, one.flips.value, one.flips.control_value, one.leaves.value, one.leaves.control_value, one.accuracy, one.without,
             one.rests, one.conflict]
            for one in self.effects
        ]  # fmt: skip
        return tabs("Does the model take a shortcut?", [("flips", flips), ("figures", table("How large is it?", heads, rows))])

    def check(  # type: ignore[override]
        self, model: Model, inputs: Any, labels: Int[Tensor, " example"], cues: Sequence[Cue], seed: int = 0
    ) -> list[Verdict]:  # fmt: skip
        """Test on other examples whether putting each cue in turns the answer to its class, more often than something else does.

        Arguments:
            model: the model.
            inputs: examples that were not used.
            labels: their classes.
            cues: those of the result, or some of them.
            seed: of the controls.

        Raises:
            CheckRefused: it is another model.
        """
        self.refuse_other(model)
        verdicts = []
        for cue in cues:
            rows = _others(cue, inputs, labels, said(model, inputs))
            flipped, control = _flipped(model, cue, inputs, rows, seed)
            claim = f"Putting in {cue.name} makes the model say {cue.outcome}."
            measure = "share of other classes' examples, against as much of something else"
            verdicts.append(compare(claim, measure, flipped.double(), control.double(), threshold=THRESHOLD, threshold_source=SOURCE))
        return corrected(verdicts)


def shortcuts(model: Model, inputs: Any, labels: Int[Tensor, " example"], cues: Sequence[Cue], seed: int = 0) -> Shortcuts:
    """Measure what cues do to the class that a classifier says.

    Arguments:
        model: a classifier of pictures, texts or tables; of a language model the last position is read.
        inputs: examples, some of which may have the cues.
        labels: their classes.
        cues: what may be shortcuts: `patch`, `word`, `column`, or any `Cue`.
        seed: of the controls.

    Raises:
        InputError: no cue, labels that don't fit, a cue that no example of another class lacks.
    """
    if not cues:
        raise InputError("there are no cues to measure: give one, or find candidates with scan_patches or cluster_maps")
    if len(labels) != len(inputs):
        raise InputError(f"{len(labels)} labels for {len(inputs)} examples; give one for each")
    labels, logits = torch.as_tensor(labels), class_logits(model, inputs)
    unknown = next((cue for cue in cues if not 0 <= cue.outcome < logits.shape[1]), None)
    if unknown is not None:
        raise InputError(f"{unknown.name} leads to {unknown.outcome}, which is no class: the model tells {logits.shape[1]} apart, counted from 0")
    before = logits.argmax(-1)
    return Shortcuts(
        effects=[_effect(model, cue, inputs, labels, before, seed) for cue in cues],
        recipe=Recipe.of(
            "sonde.behaviour.shortcuts", {"cues": [f"{cue.name} to {cue.outcome}" for cue in cues]}, model_hash=model.hash,
            inputs=[inputs if not isinstance(inputs, Tensor) else inputs.float(), labels], seed=seed,
        ),
    )  # fmt: skip


def said(model: Model, inputs: Any) -> Int[Tensor, " example"]:
    """The class that the model says of each example."""
    return class_logits(model, inputs).argmax(-1)


def chosen(inputs: Any, rows: Int[Tensor, " row"]) -> Any:
    """Some of the examples: rows of a tensor, or texts."""
    return inputs[rows] if isinstance(inputs, Tensor) else [inputs[i] for i in rows.tolist()]


def _effect(model: Model, cue: Cue, inputs: Any, labels: Tensor, before: Tensor, seed: int) -> CueEffect:
    rows = _others(cue, inputs, labels, before)
    flipped, flipped_control = _flipped(model, cue, inputs, rows, seed)
    has = torch.tensor(cue.has(inputs))
    inside = (has & (labels == cue.outcome) & (before == cue.outcome)).nonzero()[:, 0]
    left, left_control = torch.zeros(0, dtype=torch.bool), torch.zeros(0, dtype=torch.bool)
    if len(inside):
        mine = chosen(inputs, inside)
        left, left_control = said(model, cue.take(mine)) != cue.outcome, said(model, cue.take_other(mine, seed)) != cue.outcome
    other_class = (labels != cue.outcome).nonzero()[:, 0]
    conflict = said(model, cue.put(chosen(inputs, other_class))) == labels[other_class]
    holding = has.nonzero()[:, 0]
    given = before[holding] == labels[holding]
    taken = said(model, cue.take(chosen(inputs, holding))) == labels[holding] if len(holding) else given
    rests, interval = _rests(given, taken, seed)
    return CueEffect(
        name=cue.name,
        outcome=cue.outcome,
        flips=CueShare(int(flipped.sum()), len(rows), int(flipped_control.sum())),
        leaves=CueShare(int(left.sum()), len(inside), int(left_control.sum())),
        accuracy=_mean(given),
        without=_mean(taken),
        rests=rests,
        rests_interval=interval,
        conflict=_mean(conflict),
        no_conflict=_mean(before[other_class] == labels[other_class]),
    )


def _others(cue: Cue, inputs: Any, labels: Tensor, before: Tensor) -> Int[Tensor, " row"]:
    """The examples of other classes, said to be of other classes, that lack the cue."""
    rows = (~torch.tensor(cue.has(inputs)) & (labels != cue.outcome) & (before != cue.outcome)).nonzero()[:, 0]
    if not len(rows):
        raise InputError(f"every example of another class than {cue.outcome} has {cue.name}, or is said to be of it: give examples without the cue")
    return rows


def _flipped(model: Model, cue: Cue, inputs: Any, rows: Tensor, seed: int) -> tuple[Bool[Tensor, " row"], Bool[Tensor, " row"]]:
    mine = chosen(inputs, rows)
    return said(model, cue.put(mine)) == cue.outcome, said(model, cue.put_other(mine, seed)) == cue.outcome


def _rests(given: Bool[Tensor, " row"], taken: Bool[Tensor, " row"], seed: int) -> tuple[float, tuple[float, float] | None]:
    """The share of the accuracy that is lost: a ratio of means."""
    if not bool(given.any()):
        return float("nan"), None
    rows = torch.stack([given.double() - taken.double(), given.double()], 1)
    value = float(rows[:, 0].sum() / rows[:, 1].sum())
    if len(rows) < 2:
        return value, None
    low, high = bootstrap(rows, of=lambda m: m[..., 0] / m[..., 1], draws=500, seed=seed)
    return value, (float(low), float(high))


def _mean(hits: Bool[Tensor, " row"]) -> float:
    return float(hits.double().mean()) if len(hits) else float("nan")
