"""How much is lost with each further direction? What a probe tells, and what the model does, after one, two, four, ... directions are taken out.

Iterative null-space projection finds directions one after the other. If the model uses the concept, the first few cost it more than as many random
ones; where the curve runs inside the random band, what is lost at many directions is lost to their number (Elazar et al. 2021).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model, Site
from sonde.bases import Subspace
from sonde.jobs import track
from sonde.probing.behaviour import Texts, losses
from sonde.probing.commonest import commonest
from sonde.probing.division import divide
from sonde.probing.erasure import Eraser, everywhere, inlp, placed_sites, summed
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import fit_logistic
from sonde.probing.rank_results import RankCurve
from sonde.probing.reading import read_states
from sonde.results import InputError, Recipe
from sonde.tasks import Task

SHARE = 0.2  # of the examples that are kept for the probe's test


def rank_curve(
    model: Model, data: Labelled, on: Task | Texts, site: str | Site, ranks: Sequence[int] | None = None, draws: int = 10,
    pooling: Pooling = "last", seed: int = 0, progress: bool = False,
) -> RankCurve:  # fmt: skip
    """What a probe tells and what the model loses, by the number of directions that are taken out.

    Arguments:
        model: does the task, or predicts the texts.
        data: examples of the property, with classes; directions and probes are fitted on them alone.
        on: what the model does: a task, or texts that took no part in the fitting.
        site: where; with a selection it is erased there only, and otherwise at every token.
        ranks: how many directions are taken out; by default none, 1, 2, 4, ... and all that were found.
        draws: how many random subspaces stand beside them; each is the same one at every rank, but for its size.
        pooling: as for `read_states`.
        seed: of the division and the draws.
        progress: show bars.

    Raises:
        InputError: numbers in place of classes; several sites; fewer than two draws; nothing that a linear probe tells; more directions than were
            found; what `read_states` and `losses` raise.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> texts = [f"{article} {noun}" for article in ("The", "A", "My", "Her") for noun in ("key", "keys", "cat", "cats", "dog", "dogs")]
    >>> number = Labelled.of(texts, ["one", "many"] * 12, name="number")
    >>> found = rank_curve(model, number, ["The keys are here.", "The cat sleeps."], "blocks.1.resid_post", ranks=[0, 1], draws=2)
    >>> found.effect.shape, found.random.shape
    (torch.Size([2, 2, 2]), torch.Size([2, 2, 2, 2]))
    """
    if not data.classes:
        raise InputError(f"{data.name!r} has numbers in place of classes, which no classifier tells: bin them")
    if draws < 2:
        raise InputError(f"draws={draws}: the spread of random removals needs two at least")
    places = placed_sites(model, str(site))
    if len(places) > 1:
        raise InputError(f"{str(site)!r} names {len(places)} sites: a curve is of one; ask for each by itself")
    name = everywhere(places[0])
    states = read_states(model, data, name, pooling, progress=progress)
    train, test = divide(states.data.groups, SHARE, seed)
    x, y = states[name], states.y
    sums = summed(x[train], y[train])
    found = inlp(x[train], y[train], sums, states.data.groups[train], seed=seed)
    ranks = _refused(ranks, found, data.name, name)
    spans = [found.encoder, *(Subspace.random(found.width, found.rank, seed + draw).directions.double().T.contiguous() for draw in range(draws))]
    erasers = [[sums.eraser("inlp", span[:rank], span[:rank]) for rank in ranks] for span in spans]
    told = [torch.stack([_right(one, x, y, train, test) for one in row]) for row in track(erasers, "probing", shown=progress)]
    edits = [[one.edit(places[0])] for row in erasers for one in row if one.rank]
    measured = losses(model, on, edits, progress)
    effects = torch.zeros(len(erasers), len(ranks), *measured.intact.shape)
    effects[:, torch.tensor(ranks) > 0] = measured.values.unflatten(0, (len(erasers), -1))
    majority = (commonest([0] * len(y), y, train, test) == y[test]).float()
    notes = [*states.notes, *_still_told(told[0], majority, ranks)]
    given = {"site": str(places[0]), "ranks": ranks, "draws": draws, "pooling": pooling, "property": data.name}
    return RankCurve(
        data.name, str(places[0]), ranks, measured.measures, effects[0], effects[1:], told[0], torch.stack(told[1:]),
        majority, states.data.groups[test], measured.gap, notes,
        recipe=Recipe.of(
            "sonde.probing.rank_curve", given, model_hash=model.hash, inputs=[data.hash, on.content if isinstance(on, Task) else list(on)], seed=seed
        ),
    )  # fmt: skip


def _refused(ranks: Sequence[int] | None, found: Eraser, name: str, site: str) -> list[int]:
    """The ranks that are meant, in order; raises `InputError` for those that can't be."""
    if not found.rank:
        raise InputError(f"no linear classifier tells {name!r} at {site} better than the commonest class: there is no direction to take out")
    if ranks is None:
        return sorted({0, found.rank, *(2**i for i in range(found.rank.bit_length()))})
    chosen = sorted(set(ranks))
    if not chosen or chosen[0] < 0 or not 0 < chosen[-1] <= found.rank:
        raise InputError(f"ranks={list(ranks)}: {found.rank} directions were found at {site}; give numbers from 0 to {found.rank}, one above 0")
    return chosen


def _right(eraser: Eraser, x: Tensor, y: Tensor, train: Int[Tensor, " train"], test: Int[Tensor, " test"]) -> Float[Tensor, " test"]:
    """Where a probe is right, 1 or 0, that was trained after erasing."""
    left = eraser(x)
    return (fit_logistic(left[train], y[train], int(y.max()) + 1).predict(left[test]) == y[test]).float()


def _still_told(right: Float[Tensor, "rank test"], majority: Float[Tensor, " test"], ranks: Sequence[int]) -> list[str]:
    """Where the directions do not hold most of what a probe tells."""
    before, after, floor = (float(one.mean()) for one in (right[0], right[-1], majority))
    if after - floor <= (before - floor) / 2:
        return []
    return [
        f"without {ranks[-1]} directions a probe that is trained anew still tells {after:.0%} (the commonest class {floor:.0%}): "
        "the property lies in more directions than these; LEACE takes out all that is linear"
    ]
