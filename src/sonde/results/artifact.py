"""A directory that keeps a result: `artifact.json` beside safetensors and Parquet.

`artifact.json` holds the kind, the schema version, the configuration, the provenance and a checksum of every part, its own included.
A folder is written beside its place and then renamed, so that no reader ever sees half of one. Nothing is pickled, so reading runs no code.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.results.errors import LoadError, SondeError
from sonde.results.hashing import content_hash

if TYPE_CHECKING:
    from polars import DataFrame
    from torch import Tensor

SCHEMA = 1
MANIFEST = "artifact.json"
TENSORS = "tensors.safetensors"


@dataclass(frozen=True, eq=False)
class Artifact:
    """What a directory keeps.

    Arguments:
        kind: what it is, such as "sonde.lens.LensResult".
        configuration: plain JSON data.
        provenance: plain JSON data: where it comes from.
        tensors: by name; kept in one safetensors file.
        frames: by name; each kept in a Parquet file.

    >>> import tempfile
    >>> folder = Artifact("example", {"k": 5}, {"seed": 0}).save(tempfile.mkdtemp() + "/example")
    >>> Artifact.load(folder, kind="example").configuration
    {'k': 5}
    """

    kind: str
    configuration: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, "Tensor"] = field(default_factory=dict)
    frames: dict[str, "DataFrame"] = field(default_factory=dict)

    def save(self, folder: str | Path) -> Path:
        """Write the directory in one step; an artifact that was there is replaced, anything else is left alone.

        Returns:
            The directory.

        Raises:
            SondeError: where the folder holds something else, or cannot be written.
        """
        place = Path(folder)
        if place.exists() and not (place / MANIFEST).is_file() and (not place.is_dir() or any(place.iterdir())):
            raise SondeError(f"{place} holds something that is no artifact; choose another folder")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        except OSError as error:
            raise SondeError(f"{place} cannot be written: {error.strerror}") from error
        try:
            self._write(fresh)
            _move_in(fresh, place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return place

    def _write(self, folder: Path) -> None:
        if self.tensors:
            from safetensors.torch import save_file

            # cloned, because safetensors refuses tensors that share memory
            save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in self.tensors.items()}, folder / TENSORS)
        for name, frame in self.frames.items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_manifest(folder, self.kind, self.configuration, self.provenance)
        folder.chmod(0o777 & ~_umask())  # mkdtemp's folders are closed to others

    @classmethod
    def load(cls, folder: str | Path, kind: str | None = None) -> "Artifact":
        """Read a directory back, and check that it is whole.

        Arguments:
            folder: the directory.
            kind: the kind that is expected, if only one will do.

        Raises:
            LoadError: where there is none, it is of another kind, written by a newer sonde, incomplete or changed since it was written.
        """
        place = Path(folder)
        manifest = read_manifest(place)
        if kind is not None and manifest["kind"] != kind:
            raise LoadError(f"{place} keeps a {manifest['kind']}, not a {kind}")
        for name, written in manifest["checksums"].items():
            path = place / name
            if Path(name).name != name or not path.is_file():
                raise LoadError(f"{place} lacks its file {name!r}; restore it, or make the result again")
            if checksum(path) != written:
                raise LoadError(f"{path} was changed after it was written (its checksum differs); restore it, or make the result again")
        tensors: dict[str, Tensor] = {}
        if TENSORS in manifest["checksums"]:
            from safetensors.torch import load_file

            tensors = load_file(place / TENSORS)
        frames: dict[str, DataFrame] = {}
        for name in manifest["checksums"]:
            if name.endswith(".parquet"):
                from polars import read_parquet

                frames[name.removesuffix(".parquet")] = read_parquet(place / name)
        return cls(manifest["kind"], manifest["configuration"], manifest["provenance"], tensors, frames)


def write_manifest(folder: Path, kind: str, configuration: dict[str, Any], provenance: dict[str, Any]) -> None:
    """Write `artifact.json` beside the parts that a folder holds already.

    Arguments:
        folder: holds them.
        kind: what it is.
        configuration: plain JSON data.
        provenance: plain JSON data: where it comes from.
    """
    manifest = {
        "kind": kind,
        "schema": SCHEMA,
        "configuration": configuration,
        "provenance": provenance,
        "checksums": {path.name: checksum(path) for path in sorted(folder.iterdir())},
    }
    text = json.dumps({**manifest, "checksum": content_hash(manifest)}, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(place: Path) -> dict[str, Any]:
    """The checked content of `artifact.json`; the parts beside it are not looked at.

    Arguments:
        place: the folder.

    Raises:
        LoadError: where there is none, it is written by a newer sonde, or changed since it was written.
    """
    path = place / MANIFEST
    if not path.is_file():
        raise LoadError(f"{place} is no artifact: there is no {MANIFEST} in it")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema, written = manifest["schema"], manifest.pop("checksum")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(f"{path} cannot be read as an artifact ({type(error).__name__}: {error}); make the result again") from error
    # before the checksum: a newer sonde may reckon it otherwise
    if not isinstance(schema, int) or schema > SCHEMA:
        raise LoadError(f"{place} was written with schema {schema}, and this sonde reads up to {SCHEMA}; install a newer sonde")
    if content_hash(manifest) != written:
        raise LoadError(f"{path} was changed after it was written (its checksum differs); restore it, or make the result again")
    return dict(manifest)


def _move_in(fresh: Path, place: Path) -> None:
    """Rename a folder into its place; an older one is set aside first, since a directory cannot be renamed onto a full one."""
    if not place.exists():
        os.rename(fresh, place)
        return
    aside = fresh.with_name(fresh.name + ".old")
    os.rename(place, aside)
    os.rename(fresh, place)
    shutil.rmtree(aside)


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
