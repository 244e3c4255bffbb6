"""Integrated gradients: gradients averaged on the straight way from an absent input x' to the input x.

    phi_t = sum_d (x_td - x'_td) integral_0^1 dF/dx_td (x' + a (x - x')) da

(Sundararajan, Taly and Yan 2017.) The values sum to F(x) - F(x') (completeness), which says how well the integral was computed, and nothing about
whether the baseline is a sensible "absent". Gauss-Legendre quadrature: for smooth F far fewer points than a Riemann sum.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Question, Static
from sonde.attribution.question import answer, ask, summed
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

MOST_STEPS = 512


def integrated_gradients(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: str | int | Tensor | Static,
    steps: int = 32,
    tolerance: float = 0.01,
    at: str | None = None,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric along the way from a baseline to the input.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for what is absent: "pad", "zero", "mean", "blur" (pictures), the text or id of a token, or values of the site.
        steps: points of the quadrature to begin with.
        tolerance: an example's steps are doubled, up to 512, until its values leave at most this share of F(x) - F(x') (its mean size over the
            examples) unexplained; `math.inf` for exactly `steps`.
        at: the site; by default where the inputs enter: tokens' embeddings, pixels, features.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values, with the residual of completeness and the steps that it took.

    Raises:
        InputError: no metric, steps below 1, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = integrated_gradients(model, sonde.tasks.load("agreement", model, n=2), baseline="pad")
    >>> bool((result.residual.abs() < 0.01 * (result.metric - result.absent_metric).abs().max()).all())
    True
    """
    if steps < 1:
        raise InputError(f"steps={steps}: integrate over at least 1 point")
    question = ask(model, task, of, at, bos)
    static = baseline if isinstance(baseline, Static) else Static(baseline)
    absent = static.whole(question)
    every = range(len(question))
    absent_metric = question.metric_at(absent, every, batch_size)
    explained = question.metric - absent_metric
    change, values = question.value - absent, torch.zeros_like(question.value)
    points, unsettled = steps, list(every)
    while unsettled:
        values[unsettled] = change[unsettled] * _mean_gradient(question, absent, change, unsettled, points, batch_size)
        left = (explained - _total(question, values)).abs()
        unsettled = (left > tolerance * explained.abs().mean()).nonzero()[:, 0].tolist()
        if 2 * points > MOST_STEPS:
            break
        points *= 2 if unsettled else 1
    arguments = {"baseline": baseline, "steps": steps, "tolerance": tolerance, "at": at}
    return answer(
        question, "integrated gradients", summed(question, values), "integrated_gradients", arguments,
        absent=static.described(question), absent_metric=absent_metric.cpu(), steps=points,
    )  # fmt: skip


def _total(question: Question, values: Float[Tensor, "example *axis"]) -> Float[Tensor, " example"]:
    """The sum of each example's values; padding has none."""
    if question.mask is not None:
        values = values * question.mask.view(*question.mask.shape, *[1] * (values.ndim - 2))
    return values.flatten(1).sum(-1)


def _mean_gradient(
    question: Question, absent: Tensor, change: Tensor, examples: list[int], steps: int, batch_size: int | Literal["auto"]
) -> Float[Tensor, "example *axis"]:
    """The gradient along the way of some examples, averaged by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    points, shares = ((nodes + 1) / 2).tolist(), (weights / 2).tolist()  # from [-1, 1] to [0, 1]
    values = torch.cat([absent[examples] + point * change[examples] for point in points])
    gradient = question.gradient_at(values, examples * steps, batch_size)
    return sum(share * part for share, part in zip(shares, gradient.split(len(examples)), strict=True))  # type: ignore[return-value]
