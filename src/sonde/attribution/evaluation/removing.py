"""The model with some of an attribution's places absent: what every test by removal asks.

The removal is never the method's own, or a method would prove itself: one that fills with grey finds what grey does, and is then judged by grey.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Given, Players, Question, RemovalGame, baseline_of
from sonde.attribution.places import places
from sonde.attribution.question import ask
from sonde.attribution.results import Attribution
from sonde.results import InputError

Method = Callable[..., Attribution]
"""A method of attribution with its arguments bound: called with a model and a task, or with a model, inputs and a metric."""


def applied(method: Method, model: Model, inputs: Any, of: Metric | None) -> Attribution:
    """A method's answer for a task, or for inputs with a metric."""
    return method(model, inputs) if of is None else method(model, inputs, of=of)


def refuse_tokens(inputs: Any) -> None:
    """Refuse inputs that can't be moved a little or widened by noise."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        raise InputError("noise can be added to numbers, not to tokens: give a table or pictures as a floating-point tensor")


def game(model: Model, task: Any, of: Metric | None, attribution: Attribution, baseline: Given) -> RemovalGame:
    """The game of removal that judges an attribution: its places are the players.

    Arguments:
        model: the model.
        task: the task or inputs that the attribution explains.
        of: for inputs, the metric.
        attribution: whose places are taken away.
        baseline: what stands for what is absent; not what the method itself put there.

    Raises:
        InputError: the method's own removal, or an attribution of other inputs.
    """
    found = [places(attribution, example) for example in range(len(attribution))]
    question, baseline = _laid(model, task, of, attribution, found[0][1].ndim), baseline_of(baseline)
    said = baseline.described(question)
    if said.replace("padding ", "") == attribution.absent.replace("padding ", ""):
        raise InputError(
            f"{attribution.method} itself replaced what is absent by {said}, and would be judged by its own removal: give another one, such as "
            "sonde.attribution.evaluation.OtherExamples()"
        )
    if len(question) != len(attribution):
        raise InputError(f"the attribution has {len(attribution)} examples, and the inputs {len(question)}: give those that it explains")
    groups = torch.stack([_columns(question, example, labels) for example, (_, labels) in enumerate(found)])
    names = tuple(tuple(str(i) for i in range(len(values))) for values, _ in found)
    return RemovalGame(question, Players(groups, names), baseline)


def _laid(model: Model, task: Any, of: Metric | None, attribution: Attribution, axes: int) -> Question:
    """The question at the site along which the values lie: a map made at an inner site may have been drawn to the size of the picture."""
    question = ask(model, task, of, attribution.site)
    cells = [question.value.shape[1 + question.axes.index(axis)] for axis in question.cells]
    if question.mask is None and len(cells) == axes and list(attribution.cells().shape[1:]) != cells:
        return ask(model, task, of)
    return question


def _columns(question: Question, example: int, labels: Int[Tensor, "*cell"]) -> Int[Tensor, "*cell"]:
    """The labels where the batch has the cells: shorter rows are padded."""
    if question.mask is None:
        return labels
    columns = question.mask[example].nonzero()[:, 0].cpu()
    placed = torch.full((question.mask.shape[1], *labels.shape[1:]), -1, dtype=torch.long)
    placed[columns] = labels[: len(columns)]
    return placed
