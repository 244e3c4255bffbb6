"""Activations from disk: the shards in another order in every epoch, their rows mixed, and every file checked before it is believed."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from sonde.access import Model
from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.store.manifest import Manifest, Shard
from sonde.dictionaries.store.mixing import Mixed
from sonde.dictionaries.store.moments import Columns
from sonde.dictionaries.store.source import State, columns
from sonde.dictionaries.store.stream import Block, Place, permutation, refuse_unfinite
from sonde.dictionaries.store.writer import DTYPES, damaged, statistics
from sonde.results import CheckRefused, InputError, content_hash


class Shards(Mixed):
    """The activations of a folder that `collect_activations` or `Live.tee` has written.

    Arguments:
        folder: the folder.
        sites: some of its sites, side by side in this order; all by default.
        model: the model (or several by name) that the activations are meant to be of; refused where it is another one.
        other_model: take them all the same.
        without: names of shards to leave out, such as a damaged one.
        rows, buffer, seed: as for `Live`.
        device: where the buffer is, and the batches.

    Raises:
        LoadError: no such folder, or one that was damaged. CheckRefused: activations of another model.
        InputError: a site or a shard that is not there.
    """

    def __init__(
        self, folder: str | Path, sites: Sequence[str] | None = None, model: Model | Mapping[str, Model] | None = None, other_model: bool = False,
        without: Collection[str] = (), rows: int | None = None, buffer: int | None = None, seed: int = 0, device: torch.device | str = "cpu",
    ):  # fmt: skip
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        held = {site: Part(site, width) for site, width in self.manifest.parts}
        columns(list(held.values()), sites)  # refuses sites that are not there
        unknown = set(without) - {shard.file for shard in self.manifest.shards}
        if unknown:
            names = ", ".join(shard.file for shard in self.manifest.shards[:3])
            raise InputError(f"without={sorted(unknown)}: {self.folder} has no such shard; it has {names}, ...")
        self.shards = tuple(shard for shard in self.manifest.shards if shard.file not in without)
        self._checked: set[str] = set()
        super().__init__([held[site] for site in sites or held], rows, buffer, seed, kept=DTYPES[self.manifest.dtype], device=device)
        self._decided = (*self.manifest.notes, *self._told(without), *self._of(model, other_model))

    @property
    def model_hash(self) -> str:
        """The hash of the model whose activations these are; of several, one of all."""
        hashes = self.manifest.identity["models"]
        return str(hashes[""]) if list(hashes) == [""] else content_hash(hashes)

    @property
    def identity(self) -> State:
        """What must be the same for the same rows."""
        shards = content_hash([shard.sha256 for shard in self.shards])
        return {"kind": "shards", "parts": [[part.site, part.width] for part in self.parts], "shards": shards}

    @property
    def held(self) -> int:
        """How many rows there are."""
        return sum(shard.rows for shard in self.shards)

    def statistics(self) -> dict[str, Columns]:
        """Mean and spread of every column over all shards of the folder, by site."""
        return statistics(self.folder, self.manifest)

    def beginning(self, epoch: int) -> Place:
        """The place where an epoch begins."""
        return (epoch, 0)

    def blocks(self, place: Place) -> Iterator[Block]:
        """The blocks of one epoch, from a place on: one for each shard."""
        epoch, begun = place
        for at, number in enumerate(permutation(len(self.shards), "shards", self.seed, epoch).tolist()[begun:], begun):
            block = self._read(self.shards[number], (epoch, at + 1))
            refuse_unfinite(block, self.shards[number].file, f"leave it out with without=[{self.shards[number].file!r}]")
            yield block

    def _read(self, shard: Shard, after: Place) -> Block:
        """A shard's rows; its bytes are checked when it is read first."""
        from safetensors import SafetensorError, safe_open

        path = self.folder / shard.file
        try:
            if shard.file not in self._checked:
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                        raise damaged(self.folder, shard, "its checksum differs")
                self._checked.add(shard.file)
            with safe_open(path, framework="pt") as file:
                parts = [file.get_tensor(part.site) for part in self.parts]
                names = file.keys()
                text = {name: file.get_tensor(name) for name in ("tokens", "sequences", "positions") if name in names}
        except FileNotFoundError as error:
            raise damaged(self.folder, shard, "it is not there") from error
        except SafetensorError as error:
            raise damaged(self.folder, shard, str(error)) from error
        return Block(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1), after, **text)

    def _told(self, without: Collection[str]) -> Iterator[str]:
        """What whoever learns from these rows should know."""
        if not self.manifest.complete:
            yield f"the collection was not finished: {self.manifest.rows:,} rows are there"
        if without:
            yield f"left out: {', '.join(sorted(without))}"
        for part in self.parts:
            constant = (self.manifest.constant or {}).get(part.site)
            if constant:
                shown = ", ".join(map(str, constant[:8])) + (", ..." if len(constant) > 8 else "")
                yield f"{part.site}: {len(constant)} of {part.width} columns are constant ({shown})"

    def _of(self, model: Model | Mapping[str, Model] | None, other_model: bool) -> tuple[str, ...]:
        """Refuse another model, or note it."""
        if model is None:
            return ()
        asked = {name: one.hash for name, one in (model.items() if isinstance(model, Mapping) else [("", model)])}
        own = self.manifest.identity["models"]
        if asked == own:
            return ()
        told = f"{self.folder} holds activations of the model {', '.join(own.values())}, and this one is {', '.join(asked.values())}"
        if not other_model:
            raise CheckRefused(f"{told}: collect them again, or say other_model=True")
        return (told,)
