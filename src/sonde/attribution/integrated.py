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

from sonde.access import Metric, Model, Set
from sonde.access.inputs import Given
from sonde.attribution.absent import Absent, absent_embedding
from sonde.attribution.question import Question
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

MOST_STEPS = 512
TOKENS_PER_PASS = 4096


def integrated_gradients(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    baseline: Absent = "pad",
    steps: int = 32,
    tolerance: float = 0.01,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric to tokens along the way from a baseline to the input.

    Arguments:
        model: a language model of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for absent tokens: "pad", "zero", "mean", the text or id of a token, or an embedding (d_model).
        steps: points of the quadrature to begin with.
        tolerance: an example's steps are doubled, up to 512, until its values leave at most this share of F(x) - F(x') (its mean size over the
            examples) unexplained; `math.inf` for exactly `steps`.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values, with the residual of completeness and the steps that it took.

    Raises:
        InputError: no metric, steps below 1, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = integrated_gradients(model, sonde.tasks.load("agreement", model, n=2))
    >>> bool((result.residual.abs() < 0.01 * (result.metric - result.absent_metric).abs().max()).all())
    True
    """
    if steps < 1:
        raise InputError(f"steps={steps}: integrate over at least 1 point")
    question = Question.ask(model, task, of, bos)
    vector, absent = absent_embedding(model, baseline)
    change_bpd = question.embed - vector.to(question.embed)
    absent_metric = question.of(model.run(question.rows, edits=[Set("embed", vector)])).detach()
    explained = question.metric - absent_metric
    values_bp = torch.zeros(question.mask.shape, dtype=change_bpd.dtype, device=change_bpd.device)
    points, unsettled = steps, torch.arange(len(values_bp))
    while True:
        values_bp[unsettled] = _integral(question, change_bpd, unsettled.tolist(), points, batch_size)
        left = (explained - (values_bp * question.mask).sum(-1)).abs()
        unsettled = (left > tolerance * explained.abs().mean()).nonzero()[:, 0]
        if not len(unsettled) or 2 * points > MOST_STEPS:
            break
        points *= 2
    arguments = {"baseline": baseline, "steps": steps, "tolerance": tolerance}
    return question.answer(
        "integrated gradients", values_bp, "integrated_gradients", arguments, absent=absent, absent_metric=absent_metric.cpu(), steps=points
    )


def _integral(
    question: Question, change: Float[Tensor, "batch pos d_model"], examples: list[int], steps: int, batch_size: int | Literal["auto"]
) -> Float[Tensor, "example pos"]:
    """The values of some examples, by Gauss-Legendre quadrature; several points go through the model in one batch."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    points, shares = ((nodes + 1) / 2).tolist(), (weights / 2).tolist()  # from [-1, 1] to [0, 1]
    select = getattr(question.of, "select", None)
    # a plain callable knows all its own examples and no others, so it sees them one point at a time
    chosen = examples if select is not None else list(range(len(question.rows)))
    per_pass = max(1, TOKENS_PER_PASS // change.shape[1]) if batch_size == "auto" else batch_size
    together = max(1, per_pass // len(chosen)) if select is not None else 1
    columns = question.mask[chosen].any(0)  # shorter examples by themselves need less padding
    embed, change = question.embed[chosen][:, columns], change[chosen][:, columns]
    total = torch.zeros_like(change)
    for start in range(0, steps, together):
        chunk = range(start, min(start + together, steps))
        embedded = torch.cat([embed - (1 - points[k]) * change for k in chunk])
        of = question.of if select is None else select(chosen * len(chunk))
        rows = [question.rows[i] for i in chosen] * len(chunk)
        gradient = question.model.grad(rows, of=of, at="embed", edits=[Set("embed", embedded)])["embed"]
        for k, at_point in zip(chunk, gradient.split(len(chosen)), strict=True):
            total += shares[k] * at_point
    values = torch.zeros(len(chosen), len(columns), dtype=change.dtype, device=change.device)
    values[:, columns] = (change * total).sum(-1)
    return values if select is not None else values[examples]
