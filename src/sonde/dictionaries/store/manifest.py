"""What a folder of shards says of itself: whose activations it holds, which shards, and how far the collection has got.

`manifest.json` is replaced in one step after each shard is safely on the disk, so whatever it names is there. A shard is a safetensors file: a tensor
`[row, width]` for each site, `tokens`, `sequences` and `positions` of the rows, and for each site the mean and the sum of squared deviations of its
columns (`site.mean`, `site.deviations`; float64).
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sonde.dictionaries.store.durable import write_whole
from sonde.dictionaries.store.stream import Place
from sonde.results import LoadError, content_hash

KIND, SCHEMA, NAME = "sonde.dictionaries.store", 1, "manifest.json"


@dataclass(frozen=True)
class Shard:
    """One file.

    Arguments:
        file: its name.
        rows: how many it holds.
        sha256: of its bytes.
    """

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The folder as it stands.

    Arguments:
        identity: whose activations these are: the models' hashes, the sites, the text, which tokens are left out.
        parts: the sites and their widths.
        dtype: of the activations.
        shards: in the order of the text.
        place: where the text is gone on with.
        complete: whether the text has been read to its end.
        constant: by site, the columns that hold one value in every row.
        notes: how the text was read, and what was left out.
    """

    identity: dict[str, Any]
    parts: tuple[tuple[str, int], ...]
    dtype: str
    shards: tuple[Shard, ...] = ()
    place: Place | None = None
    complete: bool = False
    constant: dict[str, list[int]] | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows the shards hold."""
        return sum(shard.rows for shard in self.shards)

    def write(self, folder: Path) -> "Manifest":
        """Replace the folder's manifest by this one; gives it back."""
        content = {"kind": KIND, "schema": SCHEMA, "rows": self.rows, **asdict(self)}
        content = json.loads(json.dumps(content))  # tuples as they are read again
        write_whole(folder / NAME, json.dumps({**content, "checksum": content_hash(content)}, indent=1).encode())
        return self

    @staticmethod
    def read(folder: Path) -> "Manifest":
        """The manifest of a folder.

        Raises:
            LoadError: there is none, or it was damaged or written by a newer sonde.
        """
        path = folder / NAME
        if not path.is_file():
            raise LoadError(f"{folder} holds no activations: there is no {NAME} in it; sonde.dictionaries.collect_activations writes such a folder")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            checksum = content.pop("checksum")
            if content["schema"] > SCHEMA:
                raise LoadError(f"{path} was written with schema {content['schema']}, and this sonde reads up to {SCHEMA}; install a newer sonde")
            if content["kind"] != KIND or content_hash(content) != checksum:
                raise LoadError(f"{path} was changed after it was written (its checksum differs); restore it, or collect the activations again")
            del content["kind"], content["schema"], content["rows"]
            found = Manifest(**content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, LoadError):
                raise
            raise LoadError(f"{path} can't be read ({type(error).__name__}: {error}); restore it, or collect the activations again") from error
        return replace(
            found, parts=tuple((site, width) for site, width in found.parts), place=None if found.place is None else tuple(found.place),
            shards=tuple(Shard(**shard) for shard in content["shards"]), notes=tuple(found.notes),
        )  # fmt: skip
