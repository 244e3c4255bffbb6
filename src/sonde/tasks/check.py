"""Does the model do the task, and does the counterfactual take the answer away? What there is to explain, before anything is explained.

The gap is the mean over examples of metric(clean) - metric(corrupt). Shares of it, which patching and circuits speak of, mean something only where
its interval excludes zero on the side on which the metric is better.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.forward import logits_for, measured
from sonde.evidence import t_interval, wilson
from sonde.results import Drawing, InputError, Recipe, Result, drawing
from sonde.tasks.metrics import Accuracy, sign_of, unit_of
from sonde.tasks.task import Row, Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class TaskCheck(Result):
    """A task's metric on its examples and on their counterfactuals.

    Arguments:
        task: the task's name.
        clean, corrupt: the metric of each.
        right, still_right: 1 where the likeliest right answer is above every wrong one, else 0: after the example, and after its counterfactual.
        unit: of the metric.
        better: 1 where more of the metric is better, -1 where less is.
        notes: the task's own.
    """

    task: str
    clean: Float[Tensor, " example"]
    corrupt: Float[Tensor, " example"]
    right: Float[Tensor, " example"]
    still_right: Float[Tensor, " example"]
    unit: str
    better: int
    notes: list[str]

    @property
    def gap(self) -> float:
        """The mean of clean minus corrupt."""
        return float((self.clean - self.corrupt).double().mean())

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval of the gap, over examples; `None` with fewer than two."""
        return t_interval(self.clean - self.corrupt) if len(self.clean) > 1 else None

    @property
    def holds(self) -> bool | None:
        """Whether the metric is surely better on the examples than on their counterfactuals; `None` with fewer than two examples."""
        if self.interval is None:
            return None
        low, high = self.interval
        return low > 0 if self.better > 0 else high < 0

    def require_gap(self) -> None:
        """Raise `InputError`, with the figures, unless there is a gap to explain."""
        if not self.holds:
            raise InputError(
                f"the task {self.task!r} leaves nothing to explain: {self._said()}; choose another counterfactual, metric or model, or more examples"
            )

    def to_frame(self) -> "DataFrame":
        """One row per example."""
        import polars as pl

        names = ("clean", "corrupt", "right", "still_right")
        return pl.DataFrame({"example": list(range(len(self.clean))), **{name: getattr(self, name).tolist() for name in names}})

    def drawing(self) -> Drawing:
        """Means and intervals as a table."""
        rows: list[list[object]] = [
            [f"mean ({self.unit})", *_mean(self.clean), *_mean(self.corrupt)],
            ["share right", *_share(self.right), *_share(self.still_right)],
        ]
        columns = ["", "examples", "low", "high", "counterfactuals", "low", "high"]
        return drawing.table(f"Does the model do the task {self.task!r}?", columns, rows, note=f"{self._said()}. Intervals are at 95 %.")

    def _said(self) -> str:
        n = len(self.clean)
        spread = f" (95 % from {self.interval[0]:+.3g} to {self.interval[1]:+.3g})" if self.interval else ""
        return (
            f"{float(self.clean.mean()):.3g} on the examples and {float(self.corrupt.mean()):.3g} on their counterfactuals, a gap of "
            f"{self.gap:+.3g} {self.unit}{spread} over {n} {'examples' if n > 1 else 'example'}"
        )

    def __repr__(self) -> str:
        verdict = {True: "there is a gap to explain", False: "there is no gap to explain", None: "too few examples to say"}[self.holds]
        right = f"right {float(self.right.mean()):.0%}, after the counterfactual {float(self.still_right.mean()):.0%}"
        return "\n".join([f"Check of the task {self.task!r}: {verdict}", f"  {self._said()}", f"  {right}", *(f"  note: {n}" for n in self.notes)])


def check(model: Model, task: Task) -> TaskCheck:
    """A task's metric on its examples and their counterfactuals, and whether there is a gap between them.

    Arguments:
        model: the model.
        task: any task.

    Returns:
        The metric of each example, its mean with an interval, the share right, the gap; `require_gap()` refuses where there is none.

    Raises:
        InputError: a task without examples, or a metric that is not one number per example.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> check(model, sonde.tasks.load("agreement", model, n=16)).holds
    True
    """
    if not len(task):
        raise InputError(f"the task {task.name!r} has no examples{''.join(f': {note}' for note in task.notes)}")
    clean, right = _measured(model, task, task.clean)
    corrupt, still_right = _measured(model, task, task.corrupt)
    recipe = Recipe.of("sonde.tasks.check", {"task": task.name}, model_hash=model.hash, inputs=task.content)
    return TaskCheck(
        task.name, clean, corrupt, right, still_right, unit_of(task.metric), sign_of(task.metric), list(task.notes), recipe=recipe
    )  # fmt: skip


def _measured(model: Model, task: Task, rows: tuple[Row, ...]) -> tuple[Tensor, Tensor]:
    """The task's metric, and whether a right answer is on top, on some rows."""
    run = model.run(rows, logits=logits_for(task.metric))
    return measured(task.metric, run).detach().float().cpu(), Accuracy(task.answers, task.wrongs)(run).detach().float().cpu()


def _mean(values: Tensor) -> tuple[float | None, ...]:
    low, high = t_interval(values) if len(values) > 1 else (None, None)
    return float(values.mean()), low, high


def _share(values: Tensor) -> tuple[float, ...]:
    return float(values.mean()), *wilson(int(values.sum()), len(values))
