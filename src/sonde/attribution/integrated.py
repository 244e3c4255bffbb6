"""Integrated gradients: gradients averaged on the straight way from an absent input x' to the input x.

    phi_t = sum_d (x_td - x'_td) integral_0^1 dF/dx_td (x' + a (x - x')) da

(Sundararajan, Taly and Yan 2017.) The values sum to F(x) - F(x') (completeness), which says how well the integral was computed, and nothing about
whether the baseline is a sensible "absent". Without a number of steps the integral is refined where it errs (`sonde.attribution.ways`).
"""

from collections.abc import Sequence
from typing import Literal

import torch

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Baseline
from sonde.attribution.absence import absents, described
from sonde.attribution.quadrature import Rule, points
from sonde.attribution.question import answer, ask
from sonde.attribution.results import Attribution
from sonde.attribution.ways import Way
from sonde.tasks import Task


def integrated_gradients(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Baseline | Sequence[Baseline],
    steps: int | None = None,
    rule: Rule = "gauss",
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
        baseline: what stands for what is absent: "pad", "zero", "mean", "blur" (pictures), the text or id of a token, values of the site, or a
            `Baseline`. Of several, in a list, the values are the mean over all of them, and `spread` tells how far they are apart.
        steps: points of the quadrature, the same for every example; by default 15, and 15 more for each half of the way, and of its halves, that
            needs them until `tolerance` is met; at most 480.
        rule: of the quadrature with a number of steps: "gauss" for smooth models, "midpoint" or "trapezoid".
        tolerance: without `steps`: the share of F(x) - F(x') (its mean size over the examples) that the values may leave unexplained; and by which
            those of a coarser rule on the same points may differ.
        at: the site; by default where the inputs enter: tokens' embeddings, pixels, features.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values, with the residual of completeness and the steps that it took.

    Raises:
        InputError: no metric, too few steps, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = integrated_gradients(model, sonde.tasks.load("agreement", model, n=2), baseline="pad")
    >>> bool((result.residual.abs() < 0.01 * (result.metric - result.absent_metric).abs().max()).all())
    True
    """
    fixed = None if steps is None else points(rule, steps)
    question = ask(model, task, of, at, bos)
    ways = [Way(question, absent, batch_size) for absent in absents(question, baseline)]
    every = list(range(len(question)))
    starts = [way.metric(every, [0.0] * len(every)) for way in ways]
    made = [way.fixed(*fixed) if fixed else way.adaptive(tolerance, start) for way, start in zip(ways, starts, strict=True)]
    values = torch.stack([one.values for one in made])
    arguments = {"baseline": baseline, "steps": steps, "rule": rule, "tolerance": tolerance, "at": at}
    return answer(
        question, "integrated gradients", values.mean(0), "integrated_gradients", arguments,
        absent=described(question, baseline), absent_metric=torch.stack(starts).mean(0).cpu(),
        steps=max(one.steps for one in made), evaluations=sum(one.asked for one in made), spread=values.std(0) if len(ways) > 1 else None,
    )  # fmt: skip
