"""Occlusion: what is lost when one token is taken away.

    phi_t = F(x) - F(x with token t replaced)

(Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016.) A direct question to the model, with no gradient in it. Positions stay as they are: a token is
replaced, never deleted. Where two tokens say the same, neither is missed, and both get nothing.
"""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from sonde.access import Apply, Metric, Model
from sonde.access.inputs import Given
from sonde.attribution.absent import Absent, absent_embedding
from sonde.attribution.question import Question
from sonde.attribution.results import Attribution
from sonde.tasks import Task


def occlusion(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    replacement: Absent = "pad",
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric to tokens by replacing one at a time.

    Arguments:
        model: a language model of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        replacement: what stands for an absent token: "pad", "zero", "mean", the text or id of a token, or an embedding (d_model).
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> occlusion(model, sonde.tasks.load("agreement", model, n=2)).absent
    "the padding token '<|end|>'"
    """
    question = Question.ask(model, task, of, bos)
    vector, absent = absent_embedding(model, replacement)
    columns = range(question.embed.shape[1])
    sweep = model.sweep(question.rows, [Apply("embed", _replacing(column, vector)) for column in columns], question.of, batch_size)
    values = (sweep.base - sweep.values).T
    return question.answer("occlusion", values, "occlusion", {"replacement": replacement}, absent=absent)


def _replacing(column: int, vector: Float[Tensor, " d_model"]) -> Callable[[Tensor], Tensor]:
    """Writes the vector in one column of the batch; in rows that end before it nothing sees the change."""

    def replaced(embedded: Tensor) -> Tensor:
        changed = embedded.clone()
        changed[:, column] = vector.to(embedded)
        return changed

    return replaced
