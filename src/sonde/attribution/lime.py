"""LIME: a linear model of the network, fitted on inputs around this one from which parts were removed.

    beta = argmin over beta of  sum_S pi(S) (v(S) - beta_0 - sum over i in S of beta_i)^2 / sum_S pi(S)  +  ridge |beta|^2
    pi(S) = exp(-(1 - sqrt(|S| / n))^2 / width^2)

(Ribeiro, Singh and Guestrin 2016, "Why should I trust you?".) S holds the parts that stay, 1 - sqrt(|S| / n) is the cosine distance from the whole
input. The coefficients say how the network behaves on average over such inputs; they do not sum to anything. How well a linear model fits at all
(R^2) is part of the result, and so is how far another sample would move the coefficients.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Absent
from sonde.access.removal import Grouping
from sonde.access.removal.question import BatchSize
from sonde.attribution.playing import play, won
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task


def lime(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Absent,
    players: Grouping = None,
    samples: int = 512,
    width: float = 0.25,
    ridge: float = 1e-3,
    seed: int = 0,
    special: bool = False,
    at: str | None = None,
    batch_size: BatchSize = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by a local linear model.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for what is absent, as for `occlusion`.
        players: the parts; by default every token, pixel or feature by itself; see `sonde.access.removal.players_of`.
        samples: how many inputs are drawn, of each part with a chance of one half; the whole input comes to them.
        width: of the kernel: inputs at this cosine distance from the whole one weigh 1/e.
        ridge: the penalty on the squared coefficients, beside a mean squared error.
        seed: of the draws.
        special: remove special tokens too.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The coefficients with their standard errors; `fit` is the weighted R^2 of the linear model.

    Raises:
        InputError: too few samples for the parts; a kernel or penalty that is not positive; inputs or a baseline that don't fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = lime(model, sonde.tasks.load("agreement", model, n=2), baseline="pad", samples=64)
    >>> result.fit.shape, result.evaluations <= 64
    (torch.Size([2]), True)
    """
    if width <= 0 or ridge < 0:
        raise InputError(f"width={width}, ridge={ridge}: the kernel has a width above 0, and the penalty is 0 or more")
    game = play(model, task, of, baseline, players, at=at, special=special, batch_size=batch_size, bos=bos)
    if samples < max(game.players.counts) + 2:
        raise InputError(f"samples={samples} are too few for {max(game.players.counts)} parts: a linear model needs two more than parts")
    drawn = [_around(n, samples, seed) for n in game.players.counts]
    fitted = [_fitted(sets, values, width, ridge) for sets, values in zip(drawn, game.drawn(drawn), strict=True)]
    arguments = {
        "baseline": baseline, "players": players, "samples": samples, "width": width, "ridge": ridge, "seed": seed, "special": special, "at": at,
    }  # fmt: skip
    return won(
        game, "LIME", [(beta, error) for beta, error, _ in fitted], "lime", arguments, complete=False, sampled=True, seed=seed,
        fit=torch.tensor([fit for *_, fit in fitted]),
    )  # fmt: skip


def _around(n: int, samples: int, seed: int) -> Bool[Tensor, "set player"]:
    """The whole input, and random parts of it."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([torch.ones(1, n, dtype=torch.bool), torch.rand(samples, n, generator=generator) < 0.5])


def _fitted(
    sets: Bool[Tensor, "set player"], values: Float[Tensor, "set draw"], width: float, ridge: float
) -> tuple[Float[Tensor, "draw player"], Float[Tensor, " player"], float]:
    """The coefficients for each draw of the baseline, their standard errors over the sets, and R^2 of the mean over draws."""
    x, y = sets.double(), values.double()
    weights = torch.exp(-((1 - x.mean(1).sqrt()) ** 2) / width**2)
    weights = weights / weights.sum()
    x, y = x - weights @ x, y - weights @ y  # the intercept is not penalised
    inverse = torch.linalg.pinv(x.T @ (weights[:, None] * x) + ridge * torch.eye(x.shape[1], dtype=x.dtype), hermitian=True)
    beta = inverse @ (x.T @ (weights[:, None] * y))
    left, total = (y - x @ beta).mean(1), y.mean(1)
    noise = (inverse @ (x.T * (weights * left))).square().sum(1)  # White's estimate, which lets the error differ from set to set
    spread = float(weights @ total**2)
    fit = 1 - float(weights @ left**2) / spread if spread > 0 else math.nan
    return beta.T.float(), noise.sqrt().float(), fit
