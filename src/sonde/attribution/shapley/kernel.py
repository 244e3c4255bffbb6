"""KernelSHAP: Shapley values as a weighted linear regression on coalitions.

    phi = argmin over phi of  sum_S pi(S) (v(S) - v(none) - sum over i in S of phi_i)^2   so that   sum_i phi_i = v(all) - v(none)

(Lundberg and Lee 2017.) With every coalition the solution is the Shapley value itself. With some of them it is an estimate; how they are chosen is
what makes it a good one (`design`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Absent
from sonde.access.removal import Grouping
from sonde.access.removal.question import BatchSize
from sonde.attribution.playing import Share, play, won
from sonde.attribution.results import Attribution
from sonde.attribution.shapley.design import Design, design
from sonde.results import InputError
from sonde.tasks import Task


def kernel_shap(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Absent,
    players: Grouping = None,
    samples: int = 512,
    seed: int = 0,
    special: bool = False,
    at: str | None = None,
    batch_size: BatchSize = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by Shapley values, estimated by a regression on coalitions of the parts.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for what is absent, as for `occlusion`.
        players: the parts; by default every token, pixel or feature by itself; see `sonde.access.removal.players_of`.
        samples: how many coalitions the model is asked about at most, for each example; where these are all, the values are exact.
        seed: of the coalitions that are drawn; every example with as many parts gets the same ones.
        special: remove special tokens too.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values with their standard errors.

    Raises:
        InputError: too few samples for the parts; inputs or a baseline that don't fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = kernel_shap(model, "The keys on the cabinet", sonde.tasks.LogitDifference(5, 6), baseline="pad", samples=20)
    >>> bool(result.residual.abs() < 1e-4), bool((result.error[0, 1:] > 0).all())
    (True, True)
    """
    game = play(model, task, of, baseline, players, at=at, special=special, batch_size=batch_size, bos=bos)
    if samples < (least := 2 * max(game.players.counts) + 2):
        raise InputError(
            f"samples={samples} are too few for {max(game.players.counts)} parts: give {least} or more, or group the parts with players="
        )
    designs = {n: design(n, samples // 2 - 1, seed) for n in set(game.players.counts)}
    shares = []
    for n, drawn in zip(game.players.counts, game.drawn([asked(designs[n]) for n in game.players.counts]), strict=True):
        shares.append(solved(designs[n], drawn))
    arguments = {"baseline": baseline, "players": players, "samples": samples, "seed": seed, "special": special, "at": at}
    return won(game, "KernelSHAP", shares, "kernel_shap", arguments, complete=True, sampled=True, seed=seed)


def asked(chosen: Design) -> Tensor:
    """The coalitions of a design with their complements, then nobody and everybody.

    Arguments:
        chosen: the design.
    """
    n = chosen.sets.shape[1]
    return torch.cat([chosen.sets, ~chosen.sets, torch.zeros(1, n, dtype=torch.bool), torch.ones(1, n, dtype=torch.bool)])


def solved(chosen: Design, values: Float[Tensor, "set draw"]) -> Share:
    """The regression's solution for each draw of the baseline, and its standard errors over the coalitions.

    Arguments:
        chosen: the design.
        values: what the game is worth at `asked(chosen)`.
    """
    pairs = len(chosen.sets)
    total = (values[-1] - values[-2]).double()
    odd = (values[:pairs] - values[pairs : 2 * pairs]).double() / 2
    phi, error = regressed(chosen, odd, total)
    return phi.T.float(), error.float()


def regressed(
    chosen: Design, odd: Float[Tensor, "pair draw"], total: Float[Tensor, " draw"]
) -> tuple[Float[Tensor, "player draw"], Float[Tensor, " player"]]:
    """The constrained regression, on pairs of coalitions.

    Arguments:
        chosen: the design.
        odd: half the difference between each coalition's value and its complement's.
        total: what is shared out.
    """
    n = chosen.sets.shape[1]
    x, weights = chosen.sets.double() - 0.5, chosen.weights
    inverse = torch.linalg.inv(x.T @ (weights[:, None] * x) + 1)  # the 1 acts along the sum of all shares, which the constraint fixes anyway
    of_one = inverse.sum(1) / inverse.sum()  # what each player takes of what the constraint adds
    free = inverse - of_one[:, None] * inverse.sum(0)
    phi = free @ (x.T @ (weights[:, None] * odd)) + of_one[:, None] * total
    left = (odd - x @ phi).mean(1) * (len(x) / max(1, len(x) - n + 1)) ** 0.5
    noise = (free @ (x.T * (weights * left * chosen.left_out.sqrt()))).square().sum(1)  # listed coalitions have no error
    return phi, noise.sqrt()
