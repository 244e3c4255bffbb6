"""Shapley values from all coalitions, where there are few enough."""

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

MOST = 16  # players: 65,536 coalitions


def exact_shapley(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Absent,
    players: Grouping = None,
    special: bool = False,
    at: str | None = None,
    batch_size: BatchSize = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by Shapley values, from every coalition of the parts.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for what is absent, as for `occlusion`.
        players: the parts, at most 16; by default every token, pixel or feature by itself; see `sonde.access.removal.players_of`.
        special: remove special tokens too.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: more parts than that; inputs or a baseline that don't fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = exact_shapley(model, "The keys on the cabinet", sonde.tasks.LogitDifference(5, 6), baseline="pad")
    >>> result.evaluations, bool(result.residual.abs() < 1e-4)
    (31, True)
    """
    game = play(model, task, of, baseline, players, at=at, special=special, batch_size=batch_size, bos=bos)
    if (most := max(game.players.counts)) > MOST:
        raise InputError(
            f"{most} parts have {2**most:,} coalitions, too many for exact_shapley (at most {MOST} parts): group them with players=, "
            "or use kernel_shap or permutation_shapley"
        )
    drawn = game.drawn([every(n) for n in game.players.counts])
    shares = [((shares_of(n) @ values.double()).T.float(), torch.zeros(n)) for n, values in zip(game.players.counts, drawn, strict=True)]
    arguments = {"baseline": baseline, "players": players, "special": special, "at": at}
    return won(game, "exact Shapley values", shares, "exact_shapley", arguments, complete=True, sampled=False)


def every(n: int) -> Bool[Tensor, "set player"]:
    """All coalitions of n players; player i is in coalition number k where bit i of k is set.

    Arguments:
        n: how many players.

    >>> every(2).int().tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return (torch.arange(2**n)[:, None] >> torch.arange(n)) % 2 == 1


def shares_of(n: int) -> Float[Tensor, "player set"]:
    """What each coalition's value counts in each player's Shapley value, in the order of `every`.

    Arguments:
        n: how many players.

    >>> shares_of(2).tolist()
    [[-0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, 0.5, 0.5]]
    """
    sets = every(n)
    by_size = torch.tensor([1 / (n * math.comb(n - 1, k)) for k in range(n)], dtype=torch.float64)
    joins = torch.where(sets, by_size[(sets.sum(1) - 1).clamp(min=0)][:, None], -by_size[sets.sum(1).clamp(max=n - 1)][:, None])
    return joins.T
