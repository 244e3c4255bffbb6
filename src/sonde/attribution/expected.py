"""Expected gradients: integrated gradients over many baselines at once, each draw one baseline and one point of its way.

    phi_t = E_{x' ~ background, a ~ U(0, 1)} sum_d (x_td - x'_td) dF/dx_td (x' + a (x - x'))

(Erion et al. 2021; GradientSHAP in captum and shap.) In expectation the values sum to F(x) less the mean of F over the background. What is missing
from that sum is chance, and shrinks with the draws.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Baseline
from sonde.attribution.absence import absents, described
from sonde.attribution.question import answer, ask, summed
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task


def expected_gradients(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Tensor | Baseline | Sequence[Baseline],
    n: int = 50,
    seed: int = 0,
    at: str | None = None,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric along the ways from many baselines to the input.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: the background: rows of values of the site (background, *axis), a list of baselines, or a `Baseline` that draws them.
        n: draws of a baseline and a point on its way, for each example.
        seed: of the draws.
        at: the site; by default where the inputs enter: tokens' embeddings, pixels, features.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values with their standard errors, and the residual.

    Raises:
        InputError: fewer than 2 draws, a background of another shape, no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = expected_gradients(model, sonde.tasks.load("agreement", model, n=2), baseline=["pad", " dog", " tree"], n=8)
    >>> result.absent
    "the padding token '<|end|>'; the token ' dog'; the token ' tree'"
    """
    if n < 2:
        raise InputError(f"n={n}: draw at least 2 times, or there is no standard error")
    question = ask(model, task, of, at, bos)
    if isinstance(baseline, Tensor):
        if baseline.ndim != question.value.ndim or not len(baseline):
            shape = ", ".join(map(str, question.value.shape[1:]))
            raise InputError(f"the background has shape {tuple(baseline.shape)}: give rows of {question.site!r}, (background, {shape})")
        ground, said = absents(question, list(baseline)), f"{len(baseline)} rows of values"
    else:
        ground, said = absents(question, baseline), described(question, baseline)
    generator = torch.Generator().manual_seed(seed)
    every = range(len(question))
    total = squares = summed(question, torch.zeros_like(question.value))
    together = max(1, question.rows_per_pass // len(question))
    for some in (min(together, n - start) for start in range(0, n, together)):
        rows = [i for _ in range(some) for i in every]
        chosen = torch.randint(len(ground), (len(rows),), generator=generator).tolist()
        place = torch.rand((len(rows), *[1] * (question.value.ndim - 1)), generator=generator).to(question.value)
        absent = torch.stack([ground[k][i] for i, k in zip(rows, chosen, strict=True)])
        change = question.value[rows] - absent
        drawn = summed(question, change * question.gradient_at(absent + place * change, rows, batch_size)).unflatten(0, (some, len(every)))
        total, squares = total + drawn.sum(0), squares + drawn.square().sum(0)
    error = ((squares - total.square() / n).clamp(min=0) / (n - 1) / n).sqrt()
    absent_metric = torch.stack([question.metric_at(absent, every, batch_size) for absent in ground]).mean(0)
    return answer(
        question, "expected gradients", total / n, "expected_gradients", {"baseline": baseline, "n": n, "at": at},
        absent=said, absent_metric=absent_metric.cpu(), error=error.detach().float().cpu(), evaluations=n, seed=seed,
    )  # fmt: skip
