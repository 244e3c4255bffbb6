"""Scores of the training examples, batch by batch: all of them, taken apart if asked for, or the strongest only."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.influence.directions import Directions
from sonde.influence.examples import Examples
from sonde.influence.subject import Subject, Told
from sonde.jobs import track
from sonde.results import InputError

LABEL = 300  # characters of an example that a result keeps


@dataclass(frozen=True, eq=False)
class Taken:
    """Scores, and what they were taken apart into.

    Arguments:
        values: the scores.
        modules: the blocks, where they were taken apart by them.
        by_module, by_token: the parts.
    """

    values: Float[Tensor, "query example"]
    modules: list[str] | None = None
    by_module: Float[Tensor, "query example module"] | None = None
    by_token: Float[Tensor, "query example pos"] | None = None


@dataclass(frozen=True, eq=False)
class Best:
    """The highest and the lowest scores of each query.

    Arguments:
        high, low: the scores, the strongest first.
        high_places, low_places: whose they are.
    """

    high: Float[Tensor, "query k"]
    high_places: Int[Tensor, "query k"]
    low: Float[Tensor, "query k"]
    low_places: Int[Tensor, "query k"]


def scored(subject: Subject, found: Directions, by: str | None, queries: int) -> Taken:
    """The scores of all training examples.

    Arguments:
        subject: the model with its training examples.
        found: the queries' directions.
        by: "module", "token" or `None`.
        queries: how many.
    """
    names = [block.name for block in subject.blocks]
    parts = [part for _, part in _passes(subject, found, by, queries)]
    if by == "module":
        apart = torch.cat(parts, 1)
        return Taken(apart.sum(-1), names, by_module=apart)
    if by == "token":
        longest = max(part.shape[-1] for part in parts)
        apart = torch.cat([torch.nn.functional.pad(part, (0, longest - part.shape[-1])) for part in parts], 1)
        return Taken(apart.sum(-1), by_token=apart)
    return Taken(torch.cat(parts, 1))


def kept_best(subject: Subject, found: Directions, queries: int, k: int) -> Best:
    """The highest and lowest scores; only these are kept from one batch to the next.

    Arguments:
        subject: the model with its training examples.
        found: the queries' directions.
        queries: how many.
        k: how many are kept.
    """
    values, places = torch.zeros(queries, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.long)
    high = low = (values, places.expand(queries, 0))
    for indices, part in _passes(subject, found, None, queries):
        fresh = torch.tensor(indices).expand(queries, -1)
        high = _strongest(high, part, fresh, k, largest=True)
        low = _strongest(low, part, fresh, k, largest=False)
    return Best(*high, *low)


def label_all(examples: Examples) -> list[str]:
    """Every example in a few words.

    Arguments:
        examples: any.
    """
    return [examples.label(i)[:LABEL] for i in range(len(examples))]


def _strongest(held: tuple[Tensor, Tensor], values: Tensor, places: Tensor, k: int, largest: bool) -> tuple[Tensor, Tensor]:
    every, of = torch.cat([held[0], values], 1), torch.cat([held[1], places], 1)
    best, order = every.sort(dim=1, descending=largest, stable=True)
    return best[:, :k], of.gather(1, order[:, :k])


def _passes(subject: Subject, found: Directions, by: str | None, queries: int) -> Iterator[tuple[list[int], Tensor]]:
    """For every batch its examples' numbers and their scores, with a last axis for what they are taken apart into."""
    order = {block.name: place for place, block in enumerate(subject.blocks)}
    batches = list(subject.batches(range(len(subject.examples))))
    for indices in track(batches, "scoring"):
        sums: dict[str, Tensor] = {}

        def add(told: Told, sums: dict[str, Tensor] = sums, n: int = len(indices)) -> None:
            name = told.block.name
            if by == "token":
                sums[name] = _by_position(told, found[name].against(told.trace).double().cpu())
            else:
                sums[name] = found[name].products(told.trace).double().cpu()

        subject.back(subject.examples, indices, add)
        parts = [sums[name] for name in order]
        yield indices, torch.stack(parts, -1) if by == "module" else torch.stack(parts).sum(0)


def _by_position(told: Told, each: Float[Tensor, "query example place"]) -> Float[Tensor, "query example pos"]:
    """What each position adds: the sum over the block's calls."""
    if told.positions == 0:
        raise InputError(
            f"{told.block.name!r} sees {told.trace.places} places, which are not the tokens of a "
            "sequence: by='token' is for rows of tokens; use by='module'"
        )
    return each.unflatten(-1, (-1, told.positions)).sum(-2)
