"""SmoothGrad: gradients at noisy copies of the input, and their mean, mean square or variance.

    mean      E g(x + e)          squared   E g(x + e)^2          variance  Var g(x + e)          e ~ N(0, sigma^2)

(Smilkov et al. 2017; Hooker et al. 2019; Adebayo et al. 2018.) Sigma is a share of the range of the example's own values. The standard error is the
jackknife's, over the draws.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Question
from sonde.attribution.gradients import Norm, checked_norm, length_axes, lengths, said
from sonde.attribution.question import answer, ask
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

Kind = Literal["mean", "squared", "variance"]

NAMES = {"mean": "SmoothGrad", "squared": "squared SmoothGrad", "variance": "VarGrad"}


def smooth_grad(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    kind: Kind = "mean",
    n: int = 25,
    noise: float = 0.15,
    norm: Norm | None = None,
    seed: int = 0,
    at: str | None = None,
    batch_size: int | Literal["auto"] = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by its slope around the input.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        kind: what is made of the draws: their "mean", their mean square ("squared"), or their "variance"; the latter two have no sign.
        n: noisy copies of each example.
        noise: the deviation of the noise, as a share of the range (greatest - least) of the example's values.
        norm: as for `gradient`, of the mean.
        seed: of the noise; every example gets the same, so that it does not matter which ones are asked together.
        at: the site; by default where the inputs enter: tokens' embeddings, pixels, features.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values with their standard errors.

    Raises:
        InputError: fewer than 2 copies, a share that is not positive, no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> smooth_grad(model, sonde.tasks.load("agreement", model, n=2), n=4).error.shape
    torch.Size([2, 6])
    """
    if kind not in NAMES:
        raise InputError(f"kind={kind!r}: use 'mean', 'squared' or 'variance'")
    if n < 2 or noise <= 0:
        raise InputError(f"n={n}, noise={noise}: draw at least 2 copies, with a positive share of noise")
    question = ask(model, task, of, at, bos)
    norm = checked_norm(question, norm) if kind == "mean" else None
    values, error = [], []
    for slopes in _slopes(question, n, noise, seed, batch_size):
        value, without = _statistic(question, slopes, kind, norm)
        values.append(value)
        error.append(((n - 1) * (without - without.mean(0)).square().mean(0)).sqrt())
    method = f"{NAMES[kind]}{said(norm)}" if kind == "mean" else f"{NAMES[kind]} (unsigned)"
    arguments = {"kind": kind, "n": n, "noise": noise, "norm": norm, "at": at}
    return answer(
        question, method, torch.stack(values), "smooth_grad", arguments,
        error=torch.stack(error), evaluations=n, seed=seed, **length_axes(question, norm),
    )  # fmt: skip


def _slopes(
    question: Question, n: int, noise: float, seed: int, batch_size: int | Literal["auto"]
) -> Iterator[Float[Tensor, "draw *axis"]]:  # fmt: skip
    """The gradients at an example's noisy copies, one example after the other; one that is padded has slope 0 behind its end."""
    if not question.selective:  # all examples go through the model together, so their draws do, too
        yield from torch.stack([_noisy_gradient(question, range(len(question)), 1, noise, seed + k, batch_size) for k in range(n)], 1)
        return
    for i in range(len(question)):
        yield _noisy_gradient(question, [i] * n, n, noise, seed, batch_size)


def _noisy_gradient(question: Question, rows: "list[int] | range", n: int, noise: float, seed: int, batch_size: int | Literal["auto"]) -> Tensor:
    noisy = question.value[list(rows)].clone()
    for i in sorted(set(rows)):
        where = [place for place, row in enumerate(rows) if row == i]
        real = slice(None) if question.mask is None else slice(int(question.mask[i].sum()))
        clean = question.value[i][real]
        drawn = torch.randn((n, *clean.shape), generator=torch.Generator().manual_seed(seed)).to(clean)
        noisy[where, real] = clean + noise * (clean.max() - clean.min()) * drawn
    return question.gradient_at(noisy, list(rows), batch_size)


def _statistic(
    question: Question, slopes: Float[Tensor, "draw *axis"], kind: Kind, norm: Norm | None
) -> tuple[Float[Tensor, " *kept"], Float[Tensor, "draw *kept"]]:
    """The statistic of an example's draws, and what it is without each of them."""
    n, mean, squares = len(slopes), slopes.mean(0), slopes.square()
    if kind == "mean":
        return lengths(question, mean, norm), lengths(question, mean - (slopes - mean) / (n - 1), norm)
    if kind == "squared":
        whole, without = squares.mean(0), (squares.sum(0) - squares) / (n - 1)
    else:
        off = (slopes - mean).square()
        whole, without = off.sum(0) / (n - 1), (off.sum(0) - off * n / (n - 1)) / max(n - 2, 1)
    return (whole.sum(-1), without.sum(-1)) if question.of_vectors else (whole, without)
