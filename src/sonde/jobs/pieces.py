"""Pieces of a long computation that are any results, by name: each is computed once, and kept in a folder if there is one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sonde.results import Artifact, SondeError
from sonde.results.codec import Packed, pack, unpack

T = TypeVar("T")

KIND = "sonde.jobs.piece"


class Pieces:
    """What is finished of a job; `shards` is for pieces that are tensors of one function.

    Arguments:
        folder: where pieces are kept, one artifact each, written in one step; `None` keeps nothing.
        key: what the job is recognised by, such as a content hash of everything that decides its results.

    >>> Pieces()("a sum", lambda: 1 + 2)
    3
    """

    def __init__(self, folder: str | Path | None = None, key: str = ""):
        self.folder, self.key = None if folder is None else Path(folder), key

    def __call__(self, name: str, make: Callable[[], T]) -> T:
        """A piece, computed if it is not there.

        Arguments:
            name: of the piece, which no other one of the job has.
            make: computes it: numbers, texts, tensors, or frozen dataclasses of these.

        Raises:
            SondeError: the folder holds pieces of another job.
            LoadError: a piece that was damaged.
        """
        if self.folder is None:
            return make()
        path = self.folder / re.sub(r"\W+", "-", name)
        if path.exists():
            artifact = Artifact.load(path, kind=KIND)
            if (artifact.configuration["key"], artifact.configuration["name"]) != (self.key, name):
                raise SondeError(f"{self.folder} holds pieces of another job (another model, other examples or settings): choose another folder")
            kept: T = unpack(Packed(artifact.configuration["piece"], artifact.tensors, artifact.frames))
            return kept
        value = make()
        packed = pack(value)
        Artifact(KIND, {"key": self.key, "name": name, "piece": packed.plain}, tensors=packed.tensors, frames=packed.frames).save(path)
        return value
