"""Under a named shift: how far do accuracy and calibration move?

A model that is right less often should be less sure. So beside the accuracy stand the confidence, the calibration error, and two proper scores that
punish both kinds of mistake: Brier's, sum over classes of (p - [it is the class])^2, and the log loss. The shifted inputs are the same ones changed
(then differences are paired) or another data set. All intervals are of one bootstrap over examples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.inputs import Given
from sonde.behaviour.calibration import BINS, DRAWS, binned_gaps, calibration, random_blocks, reliability
from sonde.behaviour.classes import class_logits
from sonde.evidence import bootstrap, compare, untestable
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, lines, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MEASURES = ("accuracy", "confidence", "calibration error", "Brier score", "log loss")
THRESHOLD, SOURCE = 0.05, "one case in twenty: a convention"


@dataclass(frozen=True)
class Moved:
    """One measure before and after.

    Arguments:
        measure: its name.
        before, after: its values.
        before_interval, after_interval: at 95 %.
        difference: after minus before.
        interval: of the difference, at 95 %.
    """

    measure: str
    before: float
    before_interval: tuple[float, float]
    after: float
    after_interval: tuple[float, float]
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False, repr=False)
class Shift(Result):
    """A classifier before and after a shift.

    Arguments:
        name: of the shift.
        paired: whether the examples after it are those before it, changed.
        n, other_n: examples before and after.
        moved: each measure.
        expected: the calibration error that perfect calibration would show, before and after.
        curves: the reliability curve before and after.
    """

    name: str
    paired: bool
    n: int
    other_n: int
    moved: list[Moved]
    expected: tuple[float, float]
    curves: Float[Tensor, "side bin 3"]

    def of(self, measure: str) -> Moved:
        """One of the measures.

        Raises:
            InputError: there is none of that name.
        """
        found = next((one for one in self.moved if one.measure == measure), None)
        if found is None:
            raise InputError(f"there is no measure {measure!r}: there are {', '.join(MEASURES)}")
        return found

    def to_frame(self) -> "DataFrame":
        """One row per measure."""
        import polars as pl

        heads = ["measure", "before", "before_low", "before_high", "after", "after_low", "after_high", "difference", "low", "high"]
        rows = [[one.measure, one.before, *one.before_interval, one.after, *one.after_interval, one.difference, *one.interval] for one in self.moved]
        return pl.DataFrame(rows, heads, orient="row")

    def drawing(self) -> Drawing:
        """The measures as a table, and both reliability curves."""
        heads = ["measure", "before", "after", "difference"]
        rows = [[one.measure, one.before, one.after, one.difference] for one in self.moved]
        ends = [[None, one.before_interval, one.after_interval, one.interval] for one in self.moved]
        labels = [f"{(i + 0.5) / BINS:g}" for i in range(BINS)]
        perfect = Series("perfect calibration", [(i + 0.5) / BINS for i in range(BINS)])
        curves = [Series(side, curve[:, 1]) for side, curve in zip(("before", "after"), self.curves, strict=True)]
        note = (
            f"{self.n} examples before, {'the same ones' if self.paired else self.other_n} after. Perfect calibration would show a calibration error "
            f"of {self.expected[0]:.3f} before and {self.expected[1]:.3f} after."
        )
        return tabs(
            f"What does the shift do: {self.name}?",
            [
                ("measures", table("How far do accuracy and calibration move?", heads, rows, intervals=ends)),
                ("calibration", lines("Does the confidence mean what it says?", "share right", "confidence", labels, [*curves, perfect])),
            ],
            note=note,
        )

    def check(  # type: ignore[override]
        self, model: Model, inputs: Given, labels: Int[Tensor, " example"], to: "To", classes: Sequence[int] | None = None
    ) -> list[Verdict]:  # fmt: skip
        """Test on other examples whether the shift costs accuracy.

        Arguments:
            model: the model.
            inputs: examples that were not used.
            labels: their classes.
            to: the shift.
            classes: as in `shift`.

        Raises:
            CheckRefused: it is another model.
        """
        self.refuse_other(model)
        claim, measure = f"Accuracy falls under the shift {self.name}.", "share of examples that were right and are wrong, less the reverse"
        if not callable(to):
            reason = "the examples of two data sets are no pairs; give a shift that changes examples"
            return [untestable(claim, measure, reason, threshold=THRESHOLD, threshold_source=SOURCE)]
        before, after = (_right(class_logits(model, given, classes).softmax(-1), labels).double() for given in (inputs, to(inputs)))
        return [compare(claim, measure, before - after, torch.zeros_like(before), threshold=THRESHOLD, threshold_source=SOURCE)]


To = Callable[[Any], Given] | tuple[Given, Int[Tensor, " other"]]
"""A shift: a function of inputs, or other inputs with their labels."""


def shift(
    model: Model,
    inputs: Given,
    labels: Int[Tensor, " example"],
    to: To,
    *,
    name: str = "",
    classes: Sequence[int] | None = None,
    seed: int = 0,
) -> Shift:
    """Measure a classifier before and after a shift.

    Arguments:
        model: returns a logit for each class; of a language model the classes are tokens, and the last position is read.
        inputs: examples.
        labels: their classes, as places among the logits or among `classes`.
        to: what changes the inputs (one of `sonde.behaviour.shifts`, or any function), or another data set as (inputs, labels).
        name: what the shift is called; by default what it prints as.
        classes: the logits that are classes; all by default.
        seed: of the bootstrap.

    Raises:
        InputError: labels that are no class or don't fit the inputs, fewer than two examples.

    >>> import sonde
    >>> from sonde.behaviour import shifts
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> found = shift(sonde.load("specimen:digits"), pictures[:100], digits[:100], shifts.Rotation(90))
    >>> found.name, found.of("accuracy").interval[1] < 0
    ('Rotation(degrees=90)', True)
    """
    paired, labels = callable(to), torch.as_tensor(labels)
    others, other_labels = (to(inputs), labels) if callable(to) else to
    sides = [_columns(class_logits(model, given, classes).softmax(-1), truth) for given, truth in ((inputs, labels), (others, other_labels))]
    rows = torch.stack([one for one, _ in sides], dim=1) if paired else _unpaired(sides[0][0], sides[1][0])
    stats = _statistics(rows.mean(0))
    low, high = bootstrap(rows, of=_statistics, draws=DRAWS, seed=seed, blocks=random_blocks(len(rows), seed))
    ends = torch.stack([stats, low, high]).tolist()
    moved = []
    for i, measure in enumerate(MEASURES):
        (before, *around), (after, *about), (difference, *between) = ([ends[j][side][i] for j in range(3)] for side in range(3))
        moved.append(Moved(measure, before, (around[0], around[1]), after, (about[0], about[1]), difference, (between[0], between[1])))
    confidences = [told for _, told in sides]
    return Shift(
        name=name or _called(to),
        paired=paired,
        n=len(labels),
        other_n=len(other_labels),
        moved=moved,
        expected=(calibration(*confidences[0], seed).expected, calibration(*confidences[1], seed).expected),
        curves=torch.stack([reliability(confidence, right) for confidence, right in confidences]),
        recipe=Recipe.of(
            "sonde.behaviour.shift", {"to": _called(to), "classes": None if classes is None else list(classes)},
            model_hash=model.hash, inputs=[labels, other_labels, *(confidence for confidence, _ in confidences)], seed=seed,
        ),
    )  # fmt: skip


def _called(to: To) -> str:
    """A function by its name, a value as it prints."""
    return str(getattr(to, "__name__", to)) if callable(to) else "other data"


def _right(p: Float[Tensor, "example class"], labels: Int[Tensor, " example"]) -> Tensor:
    if len(labels) != len(p):
        raise InputError(f"{len(labels)} labels for {len(p)} examples; give one for each")
    wrong = labels[(labels < 0) | (labels >= p.shape[1])]
    if len(wrong):
        raise InputError(f"{int(wrong[0])} is no class: the model tells {p.shape[1]} apart, counted from 0")
    return p.argmax(1) == labels


def _columns(p: Float[Tensor, "example class"], labels: Int[Tensor, " example"]) -> tuple[Float[Tensor, "example column"], tuple[Tensor, Tensor]]:
    """What the means are taken of: 1, right, confidence, Brier, log loss, and the calibration gap by bin; and confidence and right by themselves."""
    right, confidence = _right(p, labels), p.amax(1)
    truth = torch.nn.functional.one_hot(labels.long(), p.shape[1]).float()
    surprise = -p.gather(1, labels.long()[:, None])[:, 0].log()
    scores = torch.stack([torch.ones_like(confidence), right, confidence, (p - truth).square().sum(1), surprise], 1)
    return torch.cat([scores.double(), binned_gaps(confidence, right)], 1), (confidence.float(), right)


def _unpaired(before: Float[Tensor, "example column"], after: Float[Tensor, "other column"]) -> Float[Tensor, "both 2 column"]:
    """One row for every example, empty on the side that it is not of."""
    return torch.cat([torch.stack([before, 0 * before], 1), torch.stack([0 * after, after], 1)])


def _statistics(means: Float[Tensor, "*draw 2 column"]) -> Float[Tensor, "*draw 3 measure"]:
    """Before, after, and after minus before."""
    own = means[..., 1:] / means[..., :1]
    error = own[..., 4:].abs().sum(-1, keepdim=True)
    sides = torch.cat([own[..., :2], error, own[..., 2:4]], -1)
    return torch.cat([sides, sides[..., 1:, :] - sides[..., :1, :]], -2)
