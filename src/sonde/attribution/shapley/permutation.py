"""Shapley values from sampled orders: what each part adds when the parts come one after the other.

    phi_i = mean over orders of  v(those before i, and i) - v(those before i)

(Castro, Gomez and Tejada 2009.) Every order by itself is complete. An order comes with its reverse (Mitchell et al. 2022), in which pairwise
interactions are shared out the other way round, so that the mean of both has them exactly; a pair is one independent observation, which gives the
standard error.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Absent
from sonde.access.removal import Grouping, RemovalGame
from sonde.access.removal.question import BatchSize
from sonde.attribution.playing import Share, play, won
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

FIRST = 4  # pairs that are drawn before the standard error is looked at


def permutation_shapley(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Absent,
    players: Grouping = None,
    orders: int = 64,
    until_se: float | None = None,
    seed: int = 0,
    special: bool = False,
    at: str | None = None,
    batch_size: BatchSize = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by Shapley values, estimated from orders and their reverses.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for what is absent, as for `occlusion`.
        players: the parts; by default every token, pixel or feature by itself; see `sonde.access.removal.players_of`.
        orders: how many orders are drawn for each example, reverses counted; each asks for one evaluation less than there are parts.
        until_se: end an example's draws before, once all its standard errors are at most this, in the metric's unit.
        seed: of the draws.
        special: remove special tokens too.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values with their standard errors.

    Raises:
        InputError: fewer than 4 orders or an odd number; inputs or a baseline that don't fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = permutation_shapley(model, "The keys on the cabinet", sonde.tasks.LogitDifference(5, 6), baseline="pad", orders=8)
    >>> bool(result.residual.abs() < 1e-4), result.error.shape
    (True, torch.Size([1, 6]))
    """
    if orders < 4 or orders % 2:
        raise InputError(f"orders={orders}: give an even number from 4 on, since an order comes with its reverse, and errors need two pairs")
    if until_se is not None and until_se <= 0:
        raise InputError(f"until_se={until_se}: a standard error to reach is above 0")
    game = play(model, task, of, baseline, players, at=at, special=special, batch_size=batch_size, bos=bos)
    generators = [torch.Generator().manual_seed(seed) for _ in range(len(game))]
    pairs: list[list[Tensor]] = [[] for _ in range(len(game))]
    unsettled = list(range(len(game)))
    while unsettled:
        count = orders // 2 if until_se is None else min(FIRST, orders // 2 - len(pairs[unsettled[0]]))
        _draw(game, pairs, unsettled, generators, count)
        settled = [i for i in unsettled if until_se is not None and len(pairs[i]) > 1 and float(_share(pairs[i])[1].max()) <= until_se]
        unsettled = [i for i in unsettled if i not in settled and len(pairs[i]) < orders // 2]
    arguments = {
        "baseline": baseline, "players": players, "orders": orders, "until_se": until_se, "seed": seed, "special": special, "at": at,
    }  # fmt: skip
    shares = [_share(own) for own in pairs]
    notes = _unreached(shares, until_se)
    return won(game, "Shapley values by permutation", shares, "permutation_shapley", arguments, complete=True, sampled=True, seed=seed, notes=notes)


def along(order: Tensor) -> Bool[Tensor, "step player"]:
    """The coalitions of an order, from none to all.

    Arguments:
        order: the players in turn.

    >>> along(torch.tensor([1, 0])).int().tolist()
    [[0, 0], [0, 1], [1, 1]]
    """
    return order.argsort()[None] < torch.arange(len(order) + 1)[:, None]


def _draw(game: RemovalGame, pairs: list[list[Tensor]], examples: list[int], generators: list[torch.Generator], count: int) -> None:
    """Add the marginal contributions of so many pairs of orders to those of some examples."""
    counts = game.players.counts
    orders = {i: [torch.randperm(counts[i], generator=generators[i]) for _ in range(count)] for i in examples}
    asked = [torch.zeros(0, n, dtype=torch.bool) for n in counts]
    for i, own in orders.items():
        asked[i] = torch.cat([along(order) for one in own for order in (one, one.flip(0))])
    drawn = game.drawn(asked)
    for i, own in orders.items():
        for order, (there, back) in zip(own, drawn[i].view(count, 2, counts[i] + 1, -1), strict=True):
            pairs[i].append((there.diff(dim=0)[order.argsort()] + back.diff(dim=0)[order.flip(0).argsort()]) / 2)


def _share(pairs: list[Float[Tensor, "player draw"]]) -> Share:
    found = torch.stack(pairs)
    return found.mean(0).T, found.mean(-1).std(0) / math.sqrt(len(pairs))


def _unreached(shares: list[Share], until_se: float | None) -> list[str]:
    missed = [i for i, (_, error) in enumerate(shares) if until_se is not None and float(error.max()) > until_se]
    return [f"the standard error asked for was not reached in {len(missed)} of {len(shares)} examples: give more orders"] if missed else []
