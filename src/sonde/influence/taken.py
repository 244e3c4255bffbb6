"""Scores of the training examples, piece by piece: all of them, taken apart if asked for, or the strongest only.

The queries' matrices lie in memory during a pass over the training set. Where those of all queries don't fit, blocks of queries have a pass each.
With a folder every finished piece of a pass is kept, so that what was interrupted goes on, and several workers can share the pieces.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.influence.blocks import Block
from sonde.influence.directions import Directions, Keep
from sonde.influence.examples import Examples
from sonde.influence.subject import Subject, Told
from sonde.jobs import Executor, available, refuse_unfinished, rows_within, shards
from sonde.results import InputError, shown

LABEL = 300  # characters of an example that a result keeps
SHARE_OF_QUERIES = 0.25  # of the free memory, for the queries' matrices

Ask = Callable[[Sequence[int]], Directions]


@dataclass(frozen=True)
class Work:
    """Where a pass over the training set is done.

    Arguments:
        folder: finished pieces are kept here; `None` keeps nothing.
        key: what the job is recognised by.
        at_once: queries in a pass; by default what the memory holds.
        executor: what computes the pieces; this process if not given.
    """

    folder: Path | None = None
    key: str = ""
    at_once: int | None = None
    executor: Executor | None = None

    def __post_init__(self) -> None:
        if self.at_once is not None and (isinstance(self.at_once, bool) or not isinstance(self.at_once, int) or self.at_once < 1):
            raise InputError(f"queries_at_once={shown(self.at_once)}: a pass answers 1 query or more")

    def blocks(self, queries: int, blocks: Sequence[Block], keep: Keep) -> list[range]:
        """Numbers of queries that share a pass.

        Arguments:
            queries: how many.
            blocks: that are looked at.
            keep: how the queries' matrices are kept.
        """
        size = self.at_once or queries_within(blocks, keep)
        return [range(i, min(queries, i + size)) for i in range(0, queries, size)]


def queries_within(blocks: Sequence[Block], keep: Keep) -> int:
    """How many queries' matrices fit into memory.

    Arguments:
        blocks: that are looked at.
        keep: how the matrices are kept.
    """
    return rows_within(keep.bytes(blocks), int(available() * SHARE_OF_QUERIES))


@dataclass(frozen=True, eq=False)
class Taken:
    """Scores, and what they were taken apart into.

    Arguments:
        values: the scores.
        query_values: what was asked about each query.
        left_out: of each query's squared norm the share that a low rank leaves out.
        modules: the blocks, where they were taken apart by them.
        by_module, by_token: the parts.
    """

    values: Float[Tensor, "query example"]
    query_values: Float[Tensor, " query"]
    left_out: Float[Tensor, " query"]
    modules: list[str] | None = None
    by_module: Float[Tensor, "query example module"] | None = None
    by_token: Float[Tensor, "query example pos"] | None = None


@dataclass(frozen=True, eq=False)
class Best:
    """The highest and the lowest scores of each query.

    Arguments:
        high, low: the scores, the strongest first.
        high_places, low_places: whose they are.
        query_values: what was asked about each query.
        left_out: of each query's squared norm the share that a low rank leaves out.
    """

    high: Float[Tensor, "query k"]
    high_places: Int[Tensor, "query k"]
    low: Float[Tensor, "query k"]
    low_places: Int[Tensor, "query k"]
    query_values: Float[Tensor, " query"]
    left_out: Float[Tensor, " query"]


def scored(subject: Subject, ask: Ask, by: str | None, queries: int, keep: Keep, work: Work) -> Taken:
    """The scores of all training examples.

    Arguments:
        subject: the model with its training examples.
        ask: gives some queries' directions.
        by: "module", "token" or `None`.
        queries: how many.
        keep: how their matrices are kept.
        work: where the passes are done.
    """

    def piece(found: Directions, some: range) -> Mapping[str, Tensor]:
        parts = [part for _, part in scores_of(subject, found, by, some)]
        longest = max(part.shape[-1] for part in parts) if by == "token" else 0
        return {"parts": torch.cat([longer(part, longest) if by == "token" else part for part in parts], 1)}

    passes = [
        [part for _, part in sorted(_pieces(subject, ask, group, piece, work), key=lambda one: one[0])]
        for group in work.blocks(queries, subject.blocks, keep)
    ]
    longest = max(part["parts"].shape[-1] for found in passes for part in found) if by == "token" else 0
    whole = torch.cat([torch.cat([longer(part["parts"], longest) if by == "token" else part["parts"] for part in found], 1) for found in passes])
    told = (torch.cat([found[0]["values"] for found in passes]), torch.cat([found[0]["left out"] for found in passes]))
    if by is None:
        return Taken(whole, *told)
    names = [block.name for block in subject.blocks]
    return Taken(whole.sum(-1), *told, names, by_module=whole) if by == "module" else Taken(whole.sum(-1), *told, by_token=whole)


def kept_best(subject: Subject, ask: Ask, queries: int, k: int, keep: Keep, work: Work) -> Best:
    """The highest and lowest scores; only these are kept from one piece to the next.

    Arguments:
        subject: the model with its training examples.
        ask: gives some queries' directions.
        queries: how many.
        k: how many are kept.
        keep: how the queries' matrices are kept.
        work: where the passes are done.
    """

    def piece(found: Directions, some: range) -> Mapping[str, Tensor]:
        best = Strongest(len(found.values), k)
        for indices, part in scores_of(subject, found, None, some):
            best.add(part, indices)
        return best.tensors()

    passes = []
    for group in work.blocks(queries, subject.blocks, keep):
        best, told = Strongest(len(group), k), None
        for _, part in _pieces(subject, ask, group, piece, work):
            best.merge(part)
            told = part["values"], part["left out"]
        assert told is not None
        passes.append((*best.tensors().values(), *told))
    return Best(*(torch.cat(parts) for parts in zip(*passes, strict=True)))


class Strongest:
    """The highest and the lowest scores of each query among those that were seen; of equal ones the first examples.

    Arguments:
        queries: how many.
        k: how many are kept.

    >>> best = Strongest(1, 2)
    >>> best.add(torch.tensor([[3.0, 1.0, 2.0]]), [7, 8, 9])
    >>> best.tensors()["high places"].tolist(), best.tensors()["low places"].tolist()
    ([[7, 9]], [[8, 9]])
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self._high = self._low = torch.zeros(queries, 0, dtype=torch.float64), torch.zeros(queries, 0, dtype=torch.long)

    def add(self, values: Float[Tensor, "query example"], numbers: Sequence[int]) -> None:
        """More examples.

        Arguments:
            values: their scores.
            numbers: which they are.
        """
        places = torch.tensor(numbers).expand(len(values), -1)
        self._high = self._best(self._high, (values, places), highest=True)
        self._low = self._best(self._low, (values, places), highest=False)

    def merge(self, other: Mapping[str, Tensor]) -> None:
        """What was found among other examples.

        Arguments:
            other: as `tensors` gives it.
        """
        self._high = self._best(self._high, (other["high"], other["high places"]), highest=True)
        self._low = self._best(self._low, (other["low"], other["low places"]), highest=False)

    def tensors(self) -> dict[str, Tensor]:
        """What was found, by name."""
        return {"high": self._high[0], "high places": self._high[1], "low": self._low[0], "low places": self._low[1]}

    def _best(self, held: tuple[Tensor, Tensor], fresh: tuple[Tensor, Tensor], highest: bool) -> tuple[Tensor, Tensor]:
        values, places = (torch.cat(pair, 1) for pair in zip(held, fresh, strict=True))
        # in the order of the examples, so that ties don't depend on the order in which pieces come
        order = places.argsort(dim=1, stable=True)
        values, places = values.gather(1, order), places.gather(1, order)
        best, order = values.sort(dim=1, descending=highest, stable=True)
        return best[:, : self.k], places.gather(1, order[:, : self.k])


def label_all(examples: Examples) -> list[str]:
    """Every example in a few words.

    Arguments:
        examples: any.
    """
    return [examples.label(i)[:LABEL] for i in range(len(examples))]


def _pieces(
    subject: Subject, ask: Ask, group: range, piece: Callable[[Directions, range], Mapping[str, Tensor]], work: Work
) -> Iterator[tuple[int, Mapping[str, Tensor]]]:  # fmt: skip
    """One pass over the training set for a block of queries, whose directions are formed when the first piece is to be computed."""
    found = cache(lambda: ask(group))

    def done(some: range) -> Mapping[str, Tensor]:
        asked = found()
        return {**piece(asked, some), "values": asked.values.cpu(), "left out": asked.left_out}

    items = subject.pieces()
    place = None if work.folder is None else work.folder / f"queries-{group.start}-{group.stop - 1}"
    seen = 0
    for i, part in shards(done, items, place, work.key, "scoring", work.executor):
        seen += 1
        yield i, part
    refuse_unfinished(seen, len(items))


def longer(part: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(part, (0, length - part.shape[-1]))


def scores_of(subject: Subject, found: Directions, by: str | None, some: Sequence[int]) -> Iterator[tuple[list[int], Tensor]]:
    """For every batch its examples' numbers and their scores, with a last axis for what they are taken apart into.

    Arguments:
        subject: the model with its training examples.
        found: the queries' directions.
        by: "module", "token" or `None`.
        some: the numbers of the training examples.
    """
    order = [block.name for block in subject.blocks]
    for indices in subject.batches(some):
        sums: dict[str, Tensor] = {}

        def add(told: Told, sums: dict[str, Tensor] = sums) -> None:
            name = told.block.name
            if by == "token":
                sums[name] = by_position(told, found.parts[name].against(told.trace).double().cpu())
            else:
                sums[name] = found.parts[name].products(told.trace).double().cpu()

        subject.back(subject.examples, indices, add)
        parts = [sums[name] for name in order]
        yield indices, torch.stack(parts, -1) if by == "module" else torch.stack(parts).sum(0)


def by_position(told: Told, each: Float[Tensor, "query example place"]) -> Float[Tensor, "query example pos"]:
    """What each position adds: the sum over the block's calls.

    Arguments:
        told: of the block.
        each: what each place adds.

    Raises:
        InputError: places that are no tokens.
    """
    if told.positions == 0:
        raise InputError(
            f"{told.block.name!r} sees {told.trace.places} places, which are not the tokens of a "
            "sequence: by='token' is for rows of tokens; use by='module'"
        )
    return each.unflatten(-1, (-1, told.positions)).sum(-2)
