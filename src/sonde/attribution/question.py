"""What an attribution is asked, from a task or from inputs with a metric; and its answer, from values at the site to a result."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.model import Edits
from sonde.access.removal import Question
from sonde.access.removal.question import input_site
from sonde.attribution.results import Attribution, by_token
from sonde.results import InputError, Recipe
from sonde.tasks import Task, unit_of


def ask(model: Model, task: Task | Given, of: Metric | None, at: str | None = None, bos: bool | None = None) -> Question:
    """Run a task (with its own metric, unless another is given), or inputs with a metric.

    Arguments:
        model: the model.
        task: a task, or inputs.
        of: the metric; by default the task's.
        at: the site; by default where the inputs enter.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no example, no metric, or inputs that don't fit the model.
    """
    inputs, metric = given(task, of)
    return Question.ask(model, inputs, metric, at, bos)


def differentiate(
    model: Model, task: Task | Given, of: Metric | None, at: str | None = None, bos: bool | None = None, edits: Edits = ()
) -> tuple[Question, Float[Tensor, "example *axis"]]:  # fmt: skip
    """The question, and the gradient at its site, by one forward and one backward pass over all examples.

    Arguments:
        model, task, of, at, bos: as for `ask`.
        edits: backward rules.

    Raises:
        InputError: no example, no metric, or inputs that don't fit the model.
    """
    inputs, metric = given(task, of)
    site = at or input_site(model)
    gradients = model.grad(inputs, of=metric, at=site, edits=edits, bos=bos)
    return Question.of_run(model, inputs, metric, site, gradients.run), gradients[site]


def given(task: Task | Given, of: Metric | None) -> tuple[Given, Metric]:
    """The inputs and the metric of a task, or those given.

    Arguments:
        task, of: as for `ask`.

    Raises:
        InputError: no example, or no metric.
    """
    if isinstance(task, Task):
        if not len(task):
            raise InputError(f"the task {task.name!r} has no examples{': ' + task.notes[0] if task.notes else ''}")
        return task.clean, of or task.metric
    if of is None:
        raise InputError("say what is to be explained: give a task, or a metric such as of=sonde.tasks.LogitDifference(target, foil)")
    return task, of


def summed(question: Question, values: Float[Tensor, "example *axis"]) -> Float[Tensor, "example *kept"]:
    """One number for each place: values summed along the axis of a vector, where the site's last axis is one."""
    return values.sum(-1) if question.of_vectors else values


def answer(
    question: Question, method: str, values: Float[Tensor, "example *kept"], function: str, arguments: Mapping[str, Any], **more: Any
) -> Attribution:  # fmt: skip
    """The result.

    Arguments:
        question: what was asked.
        method: the method's name, for people.
        values: one number for each place of the site, as `summed` gives them; or for each group of places.
        function: the name of the method in `sonde.attribution`.
        arguments: its arguments.
        more: further fields of the result, and `axes` where the values do not lie as the site does.
    """
    run, tokenizer = question.run, question.model.tokenizer
    kept = more.pop("axes", question.axes[:-1] if question.of_vectors else question.axes)
    tokens, special = [], []
    if question.mask is not None:
        known = frozenset() if tokenizer is None else tokenizer.special
        rows = [ids[real].tolist() for ids, real in zip(run.ids, question.mask, strict=True)]
        tokens = run.tokens or [[str(i) for i in row] for row in rows]
        special = [[i in known for i in row] for row in rows]
        if "groups" not in more:
            values = by_token(values, question.mask)
            more |= {name: by_token(more[name], question.mask) for name in ("error", "spread") if more.get(name) is not None}
    shown = more.pop("pictures", question.value if question.axes == ("channel", "row", "col") else None)
    pictures = shown.detach().float().cpu() if shown is not None and shown.shape[1] in (1, 3) else None
    seed = more.pop("seed", None)
    return Attribution(
        method=method,
        values=values.detach().float().cpu(),
        axes=("group",) if "groups" in more else kept,
        site=question.site,
        tokens=tokens,
        special=special,
        pictures=pictures,
        metric=question.metric.cpu(),
        unit=unit_of(question.of),
        recipe=Recipe.of(
            f"sonde.attribution.{function}", arguments, model_hash=question.model.hash, inputs=[question.given, _said(question.of)], seed=seed
        ),
        **more,
    )


def _said(metric: Metric) -> Any:
    """A metric as plain data."""
    fields = {name: value for name, value in vars(metric).items() if not callable(value)} if hasattr(metric, "__dict__") else {}
    return [getattr(metric, "__qualname__", type(metric).__qualname__), fields]
