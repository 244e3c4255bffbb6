"""What the methods of removal share: from a method's arguments to the game that it plays, and from the players' shares to a result."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Absent
from sonde.access.removal import Grouping, RemovalGame, players_of
from sonde.access.removal.question import BatchSize
from sonde.attribution.question import answer, ask
from sonde.attribution.results import Attribution, by_token
from sonde.tasks import Task

Share = tuple[Float[Tensor, "draw _player"], Float[Tensor, " _player"]]
"""What each player of one example gets, for each draw of the baseline; and its standard error where coalitions were sampled."""

INDIFFERENT = "the metric was the same whatever was removed: it may not depend on this input"


def play(
    model: Model, task: Task | Given, of: Metric | None, baseline: Absent, players: Grouping, *, at: str | None, special: bool,
    batch_size: BatchSize, bos: bool | None,
) -> RemovalGame:  # fmt: skip
    """The game that a method plays.

    Arguments:
        model, task, of, at, bos: as for `ask`.
        baseline: what stands for what is absent.
        players: the parts that are removed; see `sonde.access.removal.players_of`.
        special: let special tokens be removed too.
        batch_size: rows per pass.
    """
    question = ask(model, task, of, at, bos)
    return RemovalGame(question, players_of(question, players, special), baseline, batch_size)


def won(
    game: RemovalGame, method: str, shares: Sequence[Share], function: str, arguments: Mapping[str, Any], *, complete: bool, sampled: bool,
    seed: int | None = None, notes: Sequence[str] = (), **more: Any,
) -> Attribution:  # fmt: skip
    """The result of a method, from what each player gets.

    Arguments:
        game: what was played.
        method, function, arguments: as for `answer`.
        shares: for each example.
        complete: the shares sum to the metric's difference between the input and its absence.
        sampled: the coalitions were sampled, so that every share has a standard error.
        seed: of the sampling.
        notes: what was decided on the way.
        more: further fields of the result.
    """
    values = [share.mean(0) for share, _ in shares]
    errors = None
    if sampled or game.baseline.draws > 1:
        errors = _placed(game, [(error**2 + _over_draws(share) ** 2).sqrt() for share, error in shares])
    said = [*notes]
    if all(game.indifferent):
        said.append(INDIFFERENT)
    if game.question.mask is not None and bool((game.players.groups[game.question.mask.cpu()] < 0).any()):
        said.append("tokens that stay (special ones, or outside the players) have 0")
    if not game.players.single:
        groups = game.players.groups if game.question.mask is None else _by_token(game)
        names = game.players.names[0] if len(set(game.players.names)) == 1 else ()
        more |= {"groups": groups, "names": names}
    return answer(
        game.question, method, _placed(game, values), function, arguments, absent=game.baseline.described(game.question), error=errors,
        absent_metric=game.removed if complete else None, evaluations=max(game.evaluations), seed=seed, notes=(*said, *game.baseline.notes),
        axes=game.question.cells, **more,
    )  # fmt: skip


def _over_draws(share: Float[Tensor, "draw player"]) -> Float[Tensor, " player"]:
    """The standard error of the mean over draws; 0 where nothing is drawn."""
    return share.std(0) / math.sqrt(len(share)) if len(share) > 1 else torch.zeros_like(share[0])


def _placed(game: RemovalGame, values: Sequence[Float[Tensor, " _player"]]) -> Float[Tensor, "example *place"]:
    """Values of players at their cells, 0 at those that stay; or side by side, NaN behind the last player, where players are groups."""
    if not game.players.single:
        wide = torch.full((len(values), max(game.players.counts)), math.nan)
        for row, own in zip(wide, values, strict=True):
            row[: len(own)] = own
        return wide
    return torch.stack([torch.cat([own, own.new_zeros(1)])[groups] for own, groups in zip(values, game.players.groups, strict=True)])


def _by_token(game: RemovalGame) -> Tensor:
    """The players' groups, counted in each row's tokens."""
    assert game.question.mask is not None
    return by_token(game.players.groups.float(), game.question.mask.cpu()).nan_to_num(-1).long()
