"""Long work in pieces: each piece is finished or not, so that what was interrupted goes on where it stopped.

An executor takes a function and items and gives back results as they come, each with the item's number. `InProcess` computes one after the other,
here; one that sends the items to other machines has the same face.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from sonde.jobs.progress import track
from sonde.results import Artifact, InputError, SondeError, shown

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Result = Mapping[str, "Tensor"]

KIND = "sonde.jobs.shard"


class Unfinished(SondeError):
    """This worker has done its share, and other workers have not."""


class Executor(Protocol):
    """Whatever computes a function on many items."""

    def map(self, work: Callable[[T], Result], items: Mapping[int, T]) -> Iterator[tuple[int, Result]]:
        """Each item's number with its result, in any order."""
        ...


class InProcess:
    """One item after the other, in this process."""

    def map(self, work: Callable[[T], Result], items: Mapping[int, T]) -> Iterator[tuple[int, Result]]:
        """Each item's number with its result, in the order of the items."""
        return ((i, work(item)) for i, item in items.items())


class Share:
    """Every so-many-th item, in this process: workers that share a folder each take another share, and what is finished they find there.

    Arguments:
        worker: which share, counted from 0.
        of: how many there are.

    >>> list(Share(1, 2).map(lambda n: n, {0: 5, 1: 6, 2: 7, 3: 8}))
    [(1, 6), (3, 8)]
    """

    def __init__(self, worker: int, of: int) -> None:
        if any(isinstance(number, bool) or not isinstance(number, int) for number in (worker, of)) or not 0 <= worker < of:
            raise InputError(f"worker {shown(worker)} of {shown(of)}: workers are counted from 0 to one less than how many there are")
        self.worker, self.of = worker, of

    def map(self, work: Callable[[T], Result], items: Mapping[int, T]) -> Iterator[tuple[int, Result]]:
        """The items of this share, in order."""
        return ((i, work(item)) for i, item in items.items() if i % self.of == self.worker)


def share_of(folder: str | Path | None, worker: tuple[int, int] | None) -> Share | None:
    """The share of a worker, from what a user gives; nothing where one process does everything.

    Arguments:
        folder: where workers meet.
        worker: (number from 0, how many).

    Raises:
        InputError: a worker without a folder, or that is no such pair.

    >>> share_of("here", (1, 2)).worker
    1
    """
    if worker is None:
        return None
    if folder is None:
        raise InputError("workers meet in a folder: give folder= with worker=")
    if not isinstance(worker, tuple) or len(worker) != 2:
        raise InputError(f"worker={shown(worker)}: give (number from 0, how many)")
    return Share(*worker)


def shards(
    work: Callable[[T], Result], items: Sequence[T], folder: str | Path | None = None, key: str = "", description: str = "working",
    executor: Executor | None = None,
) -> Iterator[tuple[int, Result]]:  # fmt: skip
    """Each item's number with its result; with a folder, results are kept there, and those that are there already are not computed again.

    Arguments:
        work: from an item to tensors by name.
        items: the pieces of the job.
        folder: where results are kept, one artifact each, written in one step; `None` keeps nothing.
        key: what the job is recognised by, such as a content hash of everything that decides its results.
        description: what is being done, for the progress bar.
        executor: what computes; by default this process, one item after the other.

    Raises:
        SondeError: the folder holds pieces of another job.
        LoadError: a piece that was damaged.

    >>> import torch
    >>> [(i, result["square"].item()) for i, result in shards(lambda n: {"square": torch.tensor(n * n)}, [2, 3])]
    [(0, 4), (1, 9)]
    """
    place = None if folder is None else Path(folder)
    kept = {} if place is None else {i: place / f"{i:06d}" for i in range(len(items)) if (place / f"{i:06d}").exists()}
    for i, path in kept.items():
        yield i, _read(path, key)
    missing = {i: item for i, item in enumerate(items) if i not in kept}
    found = (executor or InProcess()).map(work, missing)
    for i, result in track(found, description, total=len(missing)):
        if place is not None:
            Artifact(KIND, {"key": key, "shard": i, "of": len(items)}, tensors=dict(result)).save(place / f"{i:06d}")
        yield i, result


def refuse_unfinished(finished: int, of: int) -> None:
    """Raise where pieces are left to other workers.

    Arguments:
        finished: pieces.
        of: how many there are.

    Raises:
        Unfinished: if some are missing.
    """
    if finished < of:
        raise Unfinished(f"{finished} of {of} pieces are finished, and the rest is left to other workers: ask again when they are through")


def _read(path: Path, key: str) -> Result:
    artifact = Artifact.load(path, kind=KIND)
    if artifact.configuration["key"] != key:
        raise SondeError(f"{path.parent} holds pieces of another job (other inputs, edits, model or settings): choose another folder")
    return artifact.tensors
