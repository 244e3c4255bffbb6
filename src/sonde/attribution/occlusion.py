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
from sonde.access.removal import Given as Absent
from sonde.access.removal import Static
from sonde.attribution.question import answer, ask
from sonde.attribution.results import Attribution
from sonde.tasks import Task


def occlusion(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Absent,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric to tokens by replacing one at a time.

    Arguments:
        model: a language model of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for an absent token: "pad", "zero", "mean", the text or id of a token, or an embedding (d_model).
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> occlusion(model, sonde.tasks.load("agreement", model, n=2), baseline="pad").absent
    "the padding token '<|end|>'"
    """
    question = ask(model, task, of, bos=bos)
    static = Static(baseline) if not isinstance(baseline, Static) else baseline  # type: ignore[arg-type]
    whole = static.whole(question)
    sweep = model.sweep(question.given, [Apply("embed", _replacing(i, whole[0, i])) for i in range(whole.shape[1])], question.of, batch_size)
    values = (sweep.base - sweep.values).T
    return answer(question, "occlusion", values, "occlusion", {"baseline": baseline}, absent=static.described(question))


def _replacing(column: int, vector: Float[Tensor, " d_model"]) -> Callable[[Tensor], Tensor]:
    """Writes the vector in one column of the batch; in rows that end before it nothing sees the change."""

    def replaced(embedded: Tensor) -> Tensor:
        changed = embedded.clone()
        changed[:, column] = vector.to(embedded)
        return changed

    return replaced
