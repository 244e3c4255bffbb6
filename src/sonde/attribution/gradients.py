"""Gradient x input: how the metric would change if a value were scaled.

    phi_t = sum_d x_td dF/dx_td

(Shrikumar et al. 2017.) One backward pass. It is the first-order estimate of taking the value away altogether: exact where F is linear, blind
where F is flat at the input (a saturated softmax or norm).
"""

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.attribution.question import answer, ask, summed
from sonde.attribution.results import Attribution
from sonde.tasks import Task


def gradient_x_input(model: Model, task: Task | Given, of: Metric | None = None, *, at: str | None = None, bos: bool | None = None) -> Attribution:
    """Attribute a metric by the gradient at each place.

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
    gradient = question.gradient_at(question.value, range(len(question)))
    return answer(question, "gradient x input", summed(question, gradient * question.value), "gradient_x_input", {"at": at})
