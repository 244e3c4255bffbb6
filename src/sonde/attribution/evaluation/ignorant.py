"""Maps that ignore the model: what any test of attributions must flag, and what a map that looks convincing may be nothing more than.

An edge detector draws outlines that people like, and never looks at the model (Adebayo et al. 2018, section 5).
"""

from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from sonde.access import Metric, Model
from sonde.attribution.question import answer, ask
from sonde.attribution.results import Attribution
from sonde.results import InputError


def edge_detector(model: Model, task: Any, of: Metric | None = None) -> Attribution:
    """The size of the brightness's slope at each pixel (Sobel), whatever the model does.

    Arguments:
        model: a model of pictures; not asked.
        task: a task, or pictures (then with `of`).
        of: for pictures, the metric.

    Raises:
        InputError: inputs that are no pictures.

    >>> import sonde
    >>> pictures, digits = sonde.specimens.digits.held_out()
    >>> edge_detector(sonde.load("specimen:digits"), pictures[:2], sonde.tasks.Logit(digits[:2])).values.shape
    torch.Size([2, 8, 8])
    """
    question = ask(model, task, of)
    if question.axes != ("channel", "row", "col"):
        raise InputError(f"edges are found in pictures, and {question.site!r} has the axes {' '.join(question.axes)}")
    result = answer(question, "edge detector", question.value, "evaluation.edge_detector", {})
    return replace(result, values=slopes(question.value).detach().cpu(), axes=("row", "col"), notes=("the model was not asked",))


def slopes(pictures: Float[Tensor, "example channel row col"]) -> Float[Tensor, "example row col"]:
    """The length of the Sobel gradient of each picture's mean channel; outside the picture its border goes on."""
    grey = pad(pictures.float().mean(1, keepdim=True), [1] * 4, mode="replicate")
    across = grey.new_tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    slope = conv2d(grey, across[None, None]).square() + conv2d(grey, across.T[None, None]).square()
    return slope[:, 0].sqrt()
