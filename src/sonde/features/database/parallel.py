"""The latents of another database that are closest to those of this one: by the cosine of directions, and by the activations on the same tokens."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sonde import bases
from sonde.features.collecting.correlations import Related, among, drawn, sparse
from sonde.features.collecting.directions import nearest
from sonde.features.records import Neighbour
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.features.database.features import Features

PREFIX, SUFFIX = "parallel-", ".parquet"
NAMED = 5


def put_beside(features: "Features", name: str, other: "Features") -> "DataFrame":
    """Find the closest latents of another database, and keep them beside the tables.

    Arguments:
        features: the database here.
        name: what the other is called.
        other: the database there.

    Raises:
        InputError: a name that is none; databases that can't be compared.
    """
    import polars as pl

    if not name.strip() or "/" in name or "\\" in name or name.startswith("."):
        raise InputError(f"name={shown(name)} can't be the name of a database: use letters, digits and spaces")
    columns: dict[str, Any] = {}
    reasons = []
    try:
        columns |= dict(_by_direction(features, other))
    except InputError as error:
        reasons.append(str(error))
    try:
        columns |= dict(_by_activation(features, other))
    except InputError as error:
        reasons.append(str(error))
    if not columns:
        raise InputError(f"{features.folder} and {other.folder} can't be compared: {'; '.join(reasons)}")
    frame = pl.DataFrame({"latent": np.arange(features.size, dtype=np.uint32), **columns})
    distinct = np.unique(np.concatenate([columns[column].ravel() for column in ("by_cosine", "by_correlation") if column in columns]))
    labels = other.labels([int(i) for i in distinct if i >= 0])
    for column in [column for column in ("by_cosine", "by_correlation") if column in columns]:
        words = pl.Series(f"{column}_label", [[labels.get(i, "") for i in row] for row in columns[column].tolist()], dtype=pl.List(pl.String))
        frame = frame.with_columns(words)
    frame.write_parquet(features.folder / f"{PREFIX}{name}{SUFFIX}", compression="zstd")
    first = {column: pl.col(column).arr.first() for column in columns}
    return frame.select("latent", **first)


def parallels(features: "Features", latent: int) -> dict[str, list[Neighbour]]:
    """The closest latents in the other databases, by their names.

    Arguments:
        features: the database here.
        latent: its number.
    """
    import polars as pl

    found = {}
    for path in sorted(features.folder.glob(f"{PREFIX}*{SUFFIX}")):
        row = pl.scan_parquet(path).filter(pl.col("latent") == latent).collect().to_dicts()[0]
        found[_name(path)] = _neighbours(row)
    return found


def _neighbours(row: dict[str, Any]) -> list[Neighbour]:
    """Those that are close in either way, the greatest correlation or cosine first."""
    close: dict[int, dict[str, Any]] = defaultdict(lambda: {"label": "", "cosine": None, "correlation": None})
    for kind in ("cosine", "correlation"):
        for i, label, value in _triples(row, kind):
            close[i] |= {"label": label, kind: value}
    listed = [Neighbour(latent=i, **found) for i, found in close.items()]  # type: ignore[typeddict-item]
    return sorted(listed, key=lambda one: -max(abs(one["correlation"] or 0), abs(one["cosine"] or 0)))


def _triples(row: dict[str, Any], kind: str) -> Iterable[tuple[int, str, float]]:
    if row.get(f"by_{kind}") is None:
        return []
    columns = zip(row[f"by_{kind}"], row[f"by_{kind}_label"], row[kind], strict=True)
    return [(i, label, value) for i, label, value in columns if i >= 0 and value == value]


def _by_direction(features: "Features", other: "Features") -> Iterable[tuple[str, np.ndarray]]:
    if features.basis is None or other.basis is None:
        raise InputError("directions need both databases opened with their basis")
    here, there = (bases.directions(basis).float().cpu() for basis in (features.basis, other.basis))
    if here.shape[1] != there.shape[1]:
        raise InputError(f"directions of {here.shape[1]} and of {there.shape[1]} entries have no cosine")
    latents, cosines = nearest(here, there)
    return [("by_cosine", latents[:, :NAMED].int().numpy()), ("cosine", cosines[:, :NAMED].numpy())]


def _by_activation(features: "Features", other: "Features") -> Iterable[tuple[str, np.ndarray]]:
    if features.recipe.inputs_hash != other.recipe.inputs_hash:
        raise InputError("activations need databases over the same tokens")
    if "examples" in (features.kept, other.kept):
        raise InputError("activations need all codes of both: collect with a larger keep")
    lengths = np.diff(features.storage.offsets)
    counted = ~np.isin(features.storage.ids, sorted(features.left_out))
    ends = np.concatenate([[0], np.cumsum(counted)])[features.storage.offsets]
    entries = max(one.storage.rows("SELECT sum(firings) AS n FROM latents")[0]["n"] for one in (features, other))
    few = drawn(lengths, float(entries) / int(ends[-1]), 0)
    tables = [sparse(one.storage.arrays, one.size, lengths, few) for one in (features, other)]
    found: Related = among(tables[0], int(np.diff(ends)[few].sum()), tables[1])
    return [("by_correlation", found.index.astype(np.int32)), ("correlation", found.pearson.astype(np.float32))]


def _name(path: Path) -> str:
    return path.name[len(PREFIX) : -len(SUFFIX)]
