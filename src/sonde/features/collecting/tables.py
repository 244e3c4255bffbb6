"""The codes of a corpus in one table, sorted by latent, and what is counted in it; DuckDB sorts and counts beyond the memory, too."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BINS = 50
INTERVALS = 10
"""The bins of a histogram are intervals in so many equal groups."""
PROFILE = 16
SAMPLE = 12
TOP = 32
DRAWN = 8
AROUND = 24
"""Tokens on both sides of an example whose codes are kept where not all are."""
ROW_GROUP = 100_000


def opened(folder: Path, threads: int) -> "DuckDBPyConnection":
    """A database in memory that writes what does not fit into a folder.

    Arguments:
        folder: for temporary files.
        threads: of the processor.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET temp_directory = '{_quoted(folder)}'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def sort_codes(connection: "DuckDBPyConnection", parts: Path, out: Path) -> None:
    """Put the pieces' codes into one file, sorted by latent and place.

    Arguments:
        connection: does it.
        parts: the folder of the pieces.
        out: the file.
    """
    connection.execute(
        f"COPY (SELECT latent, sequence, position, value, true AS drawn FROM read_parquet('{_quoted(parts)}/*.parquet') "
        f"ORDER BY latent, sequence, position) TO '{_quoted(out)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
    )
    connection.execute(f"CREATE VIEW codes AS SELECT * FROM read_parquet('{_quoted(out)}')")


def basic(connection: "DuckDBPyConnection", size: int) -> dict[str, Float[ndarray, " latent"]]:
    """How often each latent fires, and the sums, the squares, the lowest and the highest of its activations; 0 for one that never does.

    Arguments:
        connection: has the codes.
        size: how many latents there are.
    """
    connection.execute(
        "CREATE TABLE ranges AS SELECT latent, count(*) AS firings, sum(value::DOUBLE) AS total, sum(value::DOUBLE * value) AS square, "
        "min(value) AS lowest, max(value) AS highest, least(0, min(value))::DOUBLE AS low, greatest(0, max(value))::DOUBLE AS high "
        "FROM codes GROUP BY latent"
    )
    found = connection.execute("SELECT * FROM ranges").fetchnumpy()
    return {name: _spread(found["latent"], found[name], size) for name in ("firings", "total", "square", "lowest", "highest", "low", "high")}


def histograms(connection: "DuckDBPyConnection", size: int) -> Integer[ndarray, "latent bin"]:
    """The activations of each latent that are not 0, counted in evenly spaced bins between 0, or its lowest, and its highest.

    Arguments:
        connection: has the codes and their ranges.
        size: how many latents there are.
    """
    found = connection.execute(
        f"SELECT latent, {bin_sql(BINS)} AS bin, count(*) AS n FROM codes JOIN ranges USING (latent) GROUP BY ALL"
    ).fetchnumpy()
    return _table(found, "bin", size, BINS)


def highest(connection: "DuckDBPyConnection", size: int) -> Float[ndarray, "latent interval"]:
    """The highest activation of each latent in each of its intervals; NaN where there is none.

    Arguments:
        connection: has the codes and their ranges.
        size: how many latents there are.
    """
    found = connection.execute(
        f"SELECT latent, {bin_sql(INTERVALS)} AS bin, max(value) AS value FROM codes JOIN ranges USING (latent) GROUP BY ALL"
    ).fetchnumpy()
    table = np.full((size, INTERVALS), np.nan, dtype=np.float32)
    table[found["latent"], found["bin"]] = found["value"]
    return table


def profiles(connection: "DuckDBPyConnection", size: int, longest: int) -> tuple[Integer[ndarray, "latent bucket"], list[int]]:
    """How often each latent fires in each range of positions, and the ranges' edges.

    Arguments:
        connection: has the codes.
        size: how many latents there are.
        longest: how many positions there are.
    """
    width = max(1, -(-longest // PROFILE))
    found = connection.execute(f"SELECT latent, position // {width} AS bucket, count(*) AS n FROM codes GROUP BY ALL").fetchnumpy()
    edges = [*range(0, longest, width), longest]
    return _table(found, "bucket", size, len(edges) - 1), edges


def strongest(connection: "DuckDBPyConnection") -> list[tuple[int, list[dict[str, int]]]]:
    """Each latent with the places where it is most active.

    Arguments:
        connection: has the codes.
    """
    return connection.execute(
        f"SELECT latent, arg_max({{'sequence': sequence, 'position': position}}, value, {SAMPLE}) FROM codes GROUP BY latent"
    ).fetchall()


def thin(connection: "DuckDBPyConnection", out: Path, seed: int) -> None:
    """Keep examples only: of each latent the strongest, some drawn at random from each interval of activation, and the codes around both.

    Arguments:
        connection: has the codes and their ranges.
        out: the file for what is kept; a place that was drawn is marked.
        seed: of the draws.
    """
    place = "{'sequence': sequence, 'position': position}"
    order = f"hash(sequence, position, latent, {int(seed)})"
    connection.execute(
        f"CREATE TABLE places AS SELECT latent, p.sequence, p.position, drawn FROM ("
        f"SELECT latent, unnest(arg_max({place}, value, {TOP})) AS p, false AS drawn FROM codes GROUP BY latent UNION ALL "
        f"SELECT latent, unnest(arg_min({place}, {order}, {DRAWN})) AS p, true AS drawn FROM codes JOIN ranges USING (latent) "
        f"GROUP BY latent, {bin_sql(INTERVALS)})"
    )
    connection.execute(
        "COPY (SELECT c.latent, c.sequence, c.position, any_value(c.value) AS value, bool_or(p.drawn AND p.position = c.position) AS drawn "
        "FROM codes c JOIN places p ON c.latent = p.latent AND c.sequence = p.sequence "
        f"AND abs(c.position::INT - p.position::INT) <= {AROUND} "
        f"GROUP BY ALL ORDER BY c.latent, c.sequence, c.position) "
        f"TO '{_quoted(out)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
    )


def bin_sql(bins: int) -> str:
    """In which of the evenly spaced bins a code lies, as SQL over its `value` and its latent's `low` and `high`; as `bin_of` does.

    Arguments:
        bins: how many.
    """
    return f"CASE WHEN high > low THEN least(floor((value::DOUBLE - low) / (high - low) * {bins}), {bins - 1})::INT ELSE 0 END"


def _spread(latents: ndarray, values: ndarray, size: int) -> ndarray:
    spread = np.zeros(size)
    spread[latents] = values
    return spread


def _table(found: dict[str, ndarray], column: str, size: int, columns: int) -> ndarray:
    table = np.zeros((size, columns), dtype=np.uint32)
    table[found["latent"], found[column]] = found["n"]
    return table


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
