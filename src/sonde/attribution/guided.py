"""Guided backpropagation and the deconvnet: gradients that are rectified on their way back through every ReLU.

    guided      g_in = [x > 0] [g_out > 0] g_out          deconvnet   g_in = [g_out > 0] g_out

(Springenberg et al. 2015; Zeiler and Fergus 2014.) The maps are sharp and look like the picture's edges, and that is the trouble: they hardly
depend on the class or on the upper weights (Adebayo et al. 2018). Hold `check` and the randomised model against them.
"""

from typing import Literal

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.rectifiers import RectifierMode, RectifierRule
from sonde.attribution.question import answer, ask, summed
from sonde.attribution.results import Attribution
from sonde.tasks import Task


def guided_backpropagation(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    at: str | None = None,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by gradients of which only what is positive passes the ReLUs that were on.

    Arguments:
        model: a network of ReLUs, whether modules or functions.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs that do not fit the model. SiteUnavailable: a network without ReLUs, or with other rectifiers.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> guided_backpropagation(sonde.load("specimen:digits"), pictures[:2], of=sonde.tasks.Logit(digits[:2])).values.shape
    torch.Size([2, 1, 8, 8])
    """
    return _rectified("guided", "guided backpropagation", "guided_backpropagation", model, task, of, at, batch_size, bos)


def deconvnet(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    at: str | None = None,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by gradients of which only what is positive passes any ReLU, on or off.

    Arguments:
        model: a network of ReLUs, whether modules or functions.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs that do not fit the model. SiteUnavailable: a network without ReLUs, or with other rectifiers.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> deconvnet(sonde.load("specimen:digits"), pictures[:2], of=sonde.tasks.Logit(digits[:2])).method
    'deconvnet'
    """
    return _rectified("deconvnet", "deconvnet", "deconvnet", model, task, of, at, batch_size, bos)


def _rectified(
    rule: RectifierRule, method: str, function: str, model: Model, task: Task | Given, of: Metric | None, at: str | None,
    batch_size: int | Literal["auto"], bos: bool | None,
) -> Attribution:  # fmt: skip
    question = ask(model, task, of, at, bos)
    with RectifierMode(rule):
        slope = question.gradient_at(question.value, range(len(question)), batch_size)
    return answer(question, method, summed(question, slope), function, {"at": at})
