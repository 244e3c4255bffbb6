"""Activations to disk: shards of one size, each safe before the next one begins; a crash loses at most the one that was being filled."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.store.durable import PARTIAL, write_whole
from sonde.dictionaries.store.manifest import NAME, Manifest, Shard
from sonde.dictionaries.store.moments import Columns
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Block, refuse_unfinite
from sonde.results import InputError, LoadError, SondeError, shown

BYTES = 64 * 2**20
"""Of a shard: large enough to be read at the disk's speed, small enough to lose."""
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


class Writer:
    """Takes the blocks of a stream in order and writes them; one that is opened again goes on after the last shard.

    Arguments:
        folder: new, empty, or what a writer of the same activations has written.
        identity: whose activations these are.
        parts: what stands side by side in a row.
        dtype: in which they are kept: "float16", "bfloat16" or "float32".
        shard_bytes: from this size on a shard is closed, at the end of a block.

    Raises:
        InputError: an unknown dtype; a folder with other activations. SondeError: a folder with something else.
    """

    def __init__(self, folder: str | Path, identity: State, parts: Sequence[Part], dtype: str = "float16", shard_bytes: int = BYTES):
        if dtype not in DTYPES:
            raise InputError(f"dtype={shown(dtype)}: use {', '.join(DTYPES)}")
        self.folder, self.parts, self.shard_bytes, self._dtype = Path(folder), tuple(parts), shard_bytes, DTYPES[dtype]
        self.manifest = Manifest(identity, tuple((part.site, part.width) for part in parts), dtype)
        self._blocks: list[Block] = []
        if (self.folder / NAME).exists():
            self._take_up()
        elif self.folder.exists() and (not self.folder.is_dir() or any(not p.name.endswith(PARTIAL) for p in self.folder.iterdir())):
            raise SondeError(f"{self.folder} holds something else; choose another folder")
        else:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SondeError(f"{self.folder} can't be made: {error.strerror}") from error
            self._known: dict[str, Columns] = {}

    @property
    def rows(self) -> int:
        """How many rows were taken, written or not."""
        return self.manifest.rows + sum(len(block.rows) for block in self._blocks)

    def append(self, block: Block, first: int) -> None:
        """Take the next rows; those that are there already are passed over.

        Arguments:
            block: of the stream.
            first: the number of its first row, counted from the stream's beginning.

        Raises:
            InputError: rows are missing in between; rows that the dtype can't hold. SondeError: a disk that is full.
        """
        if first + len(block.rows) <= self.rows:
            return
        if first != self.rows:
            raise InputError(
                f"{self.folder} ends at row {self.rows}, and row {first} would come next: give the folder that was written before, or begin anew"
            )
        kept = replace(block, rows=block.rows.to("cpu", self._dtype))
        refuse_unfinite(kept, f"the model in {self.manifest.dtype}", "keep them in 'bfloat16' or 'float32', whose range is larger")
        self._blocks.append(kept)
        if sum(block.rows.nbytes for block in self._blocks) >= self.shard_bytes:
            self.commit()

    def commit(self) -> None:
        """Write what was taken as a shard, then the manifest that names it."""
        if not self._blocks:
            return
        from safetensors.torch import save

        rows = torch.cat([block.rows for block in self._blocks])
        tensors = {
            name: torch.cat([getattr(block, name) for block in self._blocks]) for name in ("tokens", "sequences", "positions") if self._has(name)
        }
        known = dict(self._known)
        for part, values in zip(self.parts, rows.split([part.width for part in self.parts], dim=1), strict=True):
            columns = Columns.of(values)
            tensors |= {part.site: values.contiguous(), f"{part.site}.mean": columns.mean, f"{part.site}.deviations": columns.deviations}
            known[part.site] = known[part.site].merged(columns) if part.site in known else columns
        data = save(tensors)
        shard = Shard(f"shard-{len(self.manifest.shards):06d}.safetensors", len(rows), hashlib.sha256(data).hexdigest())
        write_whole(self.folder / shard.file, data)
        constant = {site: columns.constant for site, columns in known.items() if columns.constant}
        self.manifest = replace(
            self.manifest, shards=(*self.manifest.shards, shard), place=self._blocks[-1].after, constant=constant
        ).write(self.folder)  # fmt: skip
        self._blocks, self._known = [], known

    def finish(self, notes: Sequence[str]) -> None:
        """Write the rest, and that the text has ended.

        Arguments:
            notes: how the text was read, and what was left out.
        """
        self.commit()
        self.manifest = replace(self.manifest, complete=True, notes=tuple(notes)).write(self.folder)

    def _has(self, name: str) -> bool:
        return all(getattr(block, name) is not None for block in self._blocks)

    def _take_up(self) -> None:
        """Go on after what is there."""
        there, new = Manifest.read(self.folder), self.manifest
        differing = [name for name in {**there.identity, **new.identity} if there.identity.get(name) != new.identity.get(name)]
        differing += ["dtype"] * (there.dtype != new.dtype)
        if differing:
            raise InputError(
                f"{self.folder} holds other activations ({', '.join(differing)} differ): choose another folder, or ask for the same again"
            )
        self.manifest, self._known = there, statistics(self.folder, there)


def statistics(folder: Path, manifest: Manifest) -> dict[str, Columns]:
    """Mean and spread of every column, by site, over all shards."""
    from safetensors import SafetensorError, safe_open

    known: dict[str, Columns] = {}
    for shard in manifest.shards:
        try:
            with safe_open(folder / shard.file, framework="pt") as file:
                for site, _ in manifest.parts:
                    found = Columns(shard.rows, file.get_tensor(f"{site}.mean"), file.get_tensor(f"{site}.deviations"))
                    known[site] = known[site].merged(found) if site in known else found
        except (OSError, SafetensorError) as error:
            raise damaged(folder, shard, str(error)) from error
    return known


def damaged(folder: Path, shard: Shard, why: str) -> LoadError:
    """The error that names a shard."""
    return LoadError(f"{folder / shard.file} is damaged ({why}): restore it, or leave it out with without=[{shard.file!r}]")
