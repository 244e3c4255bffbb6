"""What an attribution is asked: the inputs, run once, and the metric to explain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Metric, Model, Run
from sonde.access.forward import logits_for
from sonde.access.inputs import Given
from sonde.attribution.results import Attribution, by_token
from sonde.results import InputError, Recipe
from sonde.tasks import Task, unit_of


@dataclass(frozen=True, eq=False)
class Question:
    """Inputs of a model and the metric to explain.

    Arguments:
        model: the model.
        of: from a run of these inputs to one number per example.
        rows: the token ids of each example.
        run: the unedited run, which has read `embed`.
        content: the inputs as plain data, for the recipe.
    """

    model: Model
    of: Metric
    rows: list[list[int]]
    run: Run
    content: Any

    @staticmethod
    def ask(model: Model, task: Task | Given, of: Metric | None, bos: bool | None) -> "Question":
        """Run a task (with its own metric, unless another is given), or inputs with a metric."""
        if isinstance(task, Task):
            if not len(task):
                raise InputError(f"the task {task.name!r} has no examples{': ' + task.notes[0] if task.notes else ''}")
            of = of or task.metric
        if of is None:
            raise InputError("say what is to be explained: give a task, or a metric such as of=sonde.tasks.LogitDifference(target, foil)")
        inputs: Given = task.clean if isinstance(task, Task) else task
        run = model.run(inputs, read=["embed"], logits=logits_for(of), bos=bos)
        if run.mask is None:
            raise InputError(f"attribution to tokens needs a language model, and {model.name} is none")
        rows = [ids[real].tolist() for ids, real in zip(run.ids, run.mask, strict=True)]
        return Question(model, of, rows, run, task.content if isinstance(task, Task) else rows)

    @property
    def embed(self) -> Float[Tensor, "example pos d_model"]:
        """The embeddings of the inputs."""
        return self.run["embed"]

    @property
    def mask(self) -> Bool[Tensor, "example pos"]:
        """True at real tokens."""
        mask = self.run.mask
        assert mask is not None
        return mask

    @property
    def metric(self) -> Float[Tensor, " example"]:
        """The metric without any change."""
        return self.of(self.run).detach()

    def answer(
        self, method: str, values: Float[Tensor, "example pos"], function: str, arguments: Mapping[str, Any], **more: Any
    ) -> Attribution:  # fmt: skip
        """The result, from one value per column of the padded batch."""
        tokenizer = self.model.tokenizer
        known = set() if tokenizer is None else {tokenizer.bos_id, tokenizer.pad_id} - {None}
        return Attribution(
            method=method,
            values=by_token(values, self.mask),
            tokens=self.run.tokens or [[str(i) for i in row] for row in self.rows],
            special=[[i in known for i in row] for row in self.rows],
            metric=self.metric.cpu(),
            unit=unit_of(self.of),
            recipe=Recipe.of(f"sonde.attribution.{function}", arguments, model_hash=self.model.hash, inputs=self.content),
            **more,
        )
