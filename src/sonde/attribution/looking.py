"""A run whose attention patterns are looked at: which stack, which position's row, and what a row over positions is as an answer."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.architectures import Architecture
from sonde.access.inputs import Given
from sonde.access.removal import Question
from sonde.access.run import Readings
from sonde.attribution.maps import as_maps, pictures, spread_over, vision
from sonde.attribution.question import answer, given
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

Patterns = Float[Tensor, "example head query key"]


@dataclass(frozen=True, eq=False)
class Looking:
    """Inputs, the stack of blocks whose attention is looked at, and the position whose row is read.

    Arguments:
        question: the inputs, at the positions that attention is between.
        stack: the blocks; in a model of two towers those of the images.
        patterns: of each layer.
        gradients: of the metric with respect to the patterns, where they were asked for.
        columns: the column that is read, of each example.
    """

    question: Question
    stack: Architecture
    patterns: list[Patterns]
    gradients: list[Patterns]
    columns: Int[Tensor, " example"]

    def row(self, matrix: Float[Tensor, "example query key"]) -> Float[Tensor, "example key"]:
        """The row of the position that is read."""
        return matrix[torch.arange(len(matrix)), self.columns.to(matrix.device)]

    def answer(
        self, values: Float[Tensor, "example pos"], method: str, function: str, arguments: dict[str, Any], unit: str, **more: Any
    ) -> Attribution:  # fmt: skip
        """The result: tokens with their values, or a map over the pictures."""
        question = self.question
        if question.mask is None:
            maps = as_maps(question, values[..., None])[:, 0]
            shown = pictures(question.run)
            values, more = spread_over(maps, shown), {"axes": ("row", "col"), "pictures": shown, **more}
        return answer(question, method, values, function, arguments, own_unit=unit, **more)


def look(
    model: Model, task: Task | Given, of: Metric | None, pos: int | None, bos: bool | None, layers: list[int] | None = None, graded: bool = False,
    beside: str = "",
) -> Looking:  # fmt: skip
    """Run inputs and keep attention patterns.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. It says which position is read.
        pos: the position whose attention is read, counted in real tokens; by default the metric's, and the class token of an image encoder or a
            classifier.
        bos: for inputs, as for `Model.run`.
        layers: whose patterns are kept; all by default.
        graded: take the gradients of the metric with respect to them, too.
        beside: a site of each of these layers that the question's run holds, too, such as "attn.v".

    Raises:
        InputError: no such layer or position, no metric, or a network without attention that sonde knows.
    """
    inputs, metric = given(task, of)
    stack = vision(model) or model.architecture
    if not stack.n_layers:
        raise InputError(f"{model.name} has no attention that sonde knows (see sonde.access.architectures): use another method")
    chosen = [layer_of(stack, layer) for layer in (range(stack.n_layers) if layers is None else layers)]
    sites = [f"{stack.prefix}blocks.{layer}.attn.pattern" for layer in chosen]
    entry = f"{stack.prefix}blocks.0.resid_pre" if stack.images is not None or "embed" not in stack.sites else "embed"
    gradients: Readings | None = None
    if graded:
        gradients = model.grad(inputs, of=metric, at=[entry, *sites], bos=bos)
        run = gradients.run  # type: ignore[attr-defined]
    else:
        more = [f"{stack.prefix}blocks.{layer}.{beside}" for layer in chosen] if beside else []
        run = model.run(inputs, read=[entry, *sites, *more], bos=bos)
    question = Question.of_run(model, inputs, metric, entry, run)
    slopes = [] if gradients is None else [gradients[site] for site in sites]
    return Looking(question, stack, [run[site] for site in sites], slopes, _columns(question, stack, pos))


def layer_of(stack: Architecture, layer: int) -> int:
    """A layer, counted from 0 or back from -1.

    Arguments:
        stack: the blocks.
        layer: its number.

    Raises:
        InputError: there is none.
    """
    if not -stack.n_layers <= layer < stack.n_layers:
        raise InputError(f"layer={layer}: this model has {stack.n_layers} layers, 0 to {stack.n_layers - 1} (or -1 for the last)")
    return layer % stack.n_layers


def _columns(question: Question, stack: Architecture, pos: int | None) -> Int[Tensor, " example"]:
    """The column that is read in each example."""
    logits = stack.sites.get("logits")
    by_class = stack.images is not None or (logits is not None and "class" in logits.axes)
    if pos is None and stack.images is not None and not stack.specials:
        raise InputError(f"{question.model.name} has no class token whose attention is read: name a position with pos=")
    wanted = pos if pos is not None else 0 if by_class else getattr(question.of, "pos", -1)
    if question.mask is None:
        length = question.value.shape[1]
        if not -length <= wanted < length:
            raise InputError(f"pos={wanted}: there are {length} positions")
        return torch.full((len(question),), wanted % length)
    real = [row.nonzero()[:, 0] for row in question.mask]
    for i, row in enumerate(real):
        if not -len(row) <= wanted < len(row):
            raise InputError(f"pos={wanted}: example {i} has {len(row)} tokens")
    return torch.stack([row[wanted] for row in real])
