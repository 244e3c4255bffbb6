"""The gradient, and gradient x input: how the metric changes with a small change of the input.

    gradient          g = dF/dx                    the metric's slope at each place; at a vector, the length of the slope
    gradient x input  phi_t = sum_d x_td g_td      the first-order estimate of scaling the place away

(Simonyan, Vedaldi and Zisserman 2014; Shrikumar et al. 2017.) One backward pass. Gradient x input is exact where F is linear; both are blind
where F is flat at the input (a saturated softmax or norm).
"""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Question
from sonde.attribution.question import answer, ask, summed
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

Norm = Literal["l1", "l2"]

PICTURE = ("channel", "row", "col")


def gradient(
    model: Model, task: Task | Given, of: Metric | None = None, *, norm: Norm | None = None, at: str | None = None, bos: bool | None = None
) -> Attribution:  # fmt: skip
    """Attribute a metric by its slope at each place.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        norm: "l1" or "l2": the length of the slope over the coordinates of a vector or the channels of a pixel, which has no sign. By default "l2" at
            vectors, whose slopes have no one sign, and elsewhere the slope itself, signed.
        at: the site; by default where the inputs enter: tokens' embeddings, pixels, features.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, another norm, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> gradient(model, sonde.tasks.load("agreement", model, n=2)).method
    'gradient (L2, unsigned)'
    """
    question = ask(model, task, of, at, bos)
    norm = checked_norm(question, norm)
    slope = question.gradient_at(question.value, range(len(question)))
    return answer(
        question, f"gradient{said(norm)}", lengths(question, slope, norm), "gradient", {"norm": norm, "at": at}, **length_axes(question, norm)
    )


def gradient_x_input(model: Model, task: Task | Given, of: Metric | None = None, *, at: str | None = None, bos: bool | None = None) -> Attribution:
    """Attribute a metric by the gradient at each place, times what stands there.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        at: the site; by default where the inputs enter: tokens' embeddings, pixels, features.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> gradient_x_input(model, sonde.tasks.load("agreement", model, n=2)).method
    'gradient x input'
    """
    question = ask(model, task, of, at, bos)
    slope = question.gradient_at(question.value, range(len(question)))
    return answer(question, "gradient x input", summed(question, slope * question.value), "gradient_x_input", {"at": at})


def checked_norm(question: Question, norm: Norm | None) -> Norm | None:
    """The norm that is taken: at a vector always one, because the sum of its slopes means nothing (behind a LayerNorm it is exactly 0).

    Arguments:
        question: what is asked.
        norm: what the user gave.
    """
    if norm not in ("l1", "l2", None):
        raise InputError(f"norm={norm!r}: use 'l1', 'l2' or None")
    return "l2" if norm is None and question.of_vectors else norm


def lengths(question: Question, slopes: Float[Tensor, "*rows"], norm: Norm | None) -> Float[Tensor, "*kept"]:
    """The length of slopes along the axis of a vector, or of channels; the slopes themselves without a norm.

    Arguments:
        question: what is asked.
        slopes: shaped as the site, maybe with further axes in front.
        norm: from `checked_norm`.
    """
    if norm is None:
        return slopes
    axis = -1 if question.of_vectors else -3 if question.axes == PICTURE else None
    if axis is None:
        return slopes.abs()
    return slopes.abs().sum(axis) if norm == "l1" else slopes.square().sum(axis).sqrt()


def length_axes(question: Question, norm: Norm | None) -> dict[str, Any]:
    """The axes of what `lengths` gives, where they are not those of any answer.

    Arguments:
        question: what is asked.
        norm: from `checked_norm`.
    """
    return {"axes": PICTURE[1:]} if norm is not None and question.axes == PICTURE else {}


def said(norm: Norm | None) -> str:
    """What the method's name says of the norm.

    Arguments:
        norm: from `checked_norm`.
    """
    return "" if norm is None else f" ({norm.upper()}, unsigned)"
