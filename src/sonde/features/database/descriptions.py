"""What people and methods say that latents stand for: kept beside the tables, replaced as a whole file in one step."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.features.records import Description
from sonde.results import InputError, LoadError, shown

if TYPE_CHECKING:
    from polars import DataFrame

FILE = "explanations.parquet"
HUMAN = "human"


def kept(folder: Path) -> "DataFrame":
    """The descriptions in a folder, each latent's in order: people's first, then the highest score.

    Arguments:
        folder: of the database.

    Raises:
        LoadError: a file that can't be read.
    """
    import polars as pl

    schema = dict.fromkeys(("text", "author", "scores", "controls", "note"), pl.String)
    try:
        frame = pl.read_parquet(folder / FILE) if (folder / FILE).is_file() else pl.DataFrame(schema={"latent": pl.UInt32, **schema})
        scores = [_score(json.loads(text)) for text in frame["scores"]]
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise LoadError(f"{folder / FILE} can't be read as descriptions ({type(error).__name__}): remove it, or restore it") from error
    frame = frame.with_columns(pl.Series("score", scores, dtype=pl.Float64))
    ordered = frame.sort(pl.col("author") != HUMAN, "score", descending=[False, True], nulls_last=True, maintain_order=True)
    return ordered.with_columns(rank=pl.int_range(pl.len()).over("latent").cast(pl.Int32))


def add(folder: Path, size: int, descriptions: Mapping[int, Sequence[Description]]) -> None:
    """Keep descriptions; one of the same author for the same latent is replaced.

    Arguments:
        folder: of the database.
        size: how many latents there are.
        descriptions: by latent.

    Raises:
        InputError: a latent that there is not, a description without text or author.
    """
    import polars as pl

    rows = [_row(latent, one, size) for latent, several in descriptions.items() for one in several]
    old = kept(folder).drop("score", "rank")
    fresh = pl.DataFrame(rows, schema=old.schema, orient="row")
    frame = pl.concat([old.join(fresh, on=["latent", "author"], how="anti"), fresh]).sort("latent", maintain_order=True)
    handle, name = tempfile.mkstemp(prefix=".explanations.", dir=folder)
    os.close(handle)
    try:
        frame.write_parquet(name, compression="zstd")
        os.replace(name, folder / FILE)
    finally:
        Path(name).unlink(missing_ok=True)


def plain(rows: Iterable[Mapping[str, Any]]) -> list[Description]:
    """Rows of the table as descriptions.

    Arguments:
        rows: the best first.
    """
    return [
        Description(text=r["text"], author=r["author"], scores=json.loads(r["scores"]), controls=json.loads(r["controls"]), note=r["note"])
        for r in rows
    ]


def _row(latent: int, one: Description, size: int) -> tuple[Any, ...]:
    if not 0 <= latent < size:
        raise InputError(f"there is no latent {shown(latent)}: the database has {size}, counted from 0")
    if not one.get("text", "").strip() or not one.get("author", "").strip():
        raise InputError(f"{shown(one)} is no description of latent {latent}: give a text and an author")
    scores, controls = json.dumps(one.get("scores") or {}), json.dumps(one.get("controls") or {})
    return latent, one["text"], one["author"], scores, controls, one.get("note") or ""


def _score(scores: Mapping[str, float | None]) -> float | None:
    """One number to sort by: the mean of the scores that are known."""
    known = [value for value in scores.values() if value is not None]
    return sum(known) / len(known) if known else None
