"""Gradient x input: how the metric would change if a token's embedding were scaled.

    phi_t = sum_d x_td dF/dx_td

(Shrikumar et al. 2017.) One backward pass. It is the first-order estimate of taking the embedding away altogether: exact where F is linear, blind
where F is flat at the input (a saturated softmax or norm).
"""

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.attribution.question import Question
from sonde.attribution.results import Attribution
from sonde.tasks import Task


def gradient_x_input(model: Model, task: Task | Given, of: Metric | None = None, bos: bool | None = None) -> Attribution:
    """Attribute a metric to tokens by the gradient at their embeddings.

    Arguments:
        model: a language model of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> gradient_x_input(model, sonde.tasks.load("agreement", model, n=2)).method
    'gradient x input'
    """
    question = Question.ask(model, task, of, bos)
    gradient = model.grad(question.rows, of=question.of, at="embed")["embed"]
    return question.answer("gradient x input", (gradient * question.embed).sum(-1), "gradient_x_input", {})
