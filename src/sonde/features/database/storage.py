"""The tables of a database as DuckDB sees them: read from Parquet when they are asked, and nothing else of the disk."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from sonde.results import InputError, LoadError, shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from polars import DataFrame

TABLES = ("codes", "latents", "tokens", "vocabulary")
STATISTICS = (
    "firings", "density", "mean", "mean_active", "minimum", "maximum", "logit_top", "logit_bottom", "neuron_share", "nearest_cosine", "score",
)  # fmt: skip
"""What a list of latents is filtered and sorted by."""
COMPARISON = re.compile(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*([-+.\deE]+)\s*")


class Storage:
    """Read-only queries on a database's folder.

    Arguments:
        folder: holds the tables.
    """

    def __init__(self, folder: Path) -> None:
        import duckdb

        self.folder = folder
        missing = [name for name in TABLES if not (folder / f"{name}.parquet").is_file()]
        if missing:
            raise LoadError(f"{folder} lacks {missing[0]}.parquet: restore it, or collect again")
        self._lock = threading.Lock()
        self._connection: DuckDBPyConnection = duckdb.connect()
        self._connection.execute("SET enable_progress_bar = false")
        for name in TABLES:
            self._connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{_quoted(folder / name)}.parquet')")
        self._connection.execute(f"SET allowed_directories = ['{_quoted(folder)}']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self.columns: list[str] = [row[0] for row in self._connection.execute("DESCRIBE latents").fetchall()]
        self._ids: ndarray | None = None
        self._offsets: ndarray | None = None
        self._texts: dict[int, str] | None = None

    def rows(self, query: str, given: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of an answer, by the columns' names.

        Arguments:
            query: SQL.
            given: values for its question marks.
        """
        with self._lock:
            answer = self._connection.execute(query, list(given))
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def arrays(self, query: str, given: Sequence[Any] = ()) -> dict[str, ndarray]:
        """The columns of an answer.

        Arguments:
            query: SQL.
            given: values for its question marks.
        """
        with self._lock:
            found: dict[str, ndarray] = self._connection.execute(query, list(given)).fetchnumpy()
            return found

    def frame(self, query: str, given: Sequence[Any] = ()) -> "DataFrame":
        """An answer as a table.

        Arguments:
            query: SQL.
            given: values for its question marks.
        """
        import polars as pl

        with self._lock:
            answer = self._connection.execute(query, list(given))
            names = [column[0] for column in answer.description or ()]
            rows = answer.fetchall()
        return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)

    def sql(self, query: str) -> "DataFrame":
        """A user's own query.

        Arguments:
            query: one SELECT.

        Raises:
            InputError: anything else, or what DuckDB can't answer.
        """
        import duckdb

        try:
            statements = duckdb.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError(f"{shown(query, 60)}: give one SELECT over codes, latents, tokens, vocabulary, descriptions and listing")
            return self.frame(query)
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise InputError(f"{shown(query, 60)}: {first}; the tables are codes, latents, tokens, vocabulary, descriptions and listing") from None

    def refresh(self, descriptions: "DataFrame") -> None:
        """Take up the descriptions as they are now, and the list of latents with them.

        Arguments:
            descriptions: latent, text, author, scores, controls, note, score and rank: the best of each latent has rank 0.
        """
        rows = descriptions.rows()
        with self._lock:
            self._connection.execute(
                "CREATE OR REPLACE TABLE descriptions (latent UINTEGER, text VARCHAR, author VARCHAR, scores VARCHAR, controls VARCHAR, "
                "note VARCHAR, score DOUBLE, rank INTEGER)"
            )
            if rows:
                self._connection.executemany("INSERT INTO descriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.execute(self._listing())

    def texts(self, ids: Sequence[int]) -> list[str]:
        """The texts of tokens.

        Arguments:
            ids: of tokens that stand in the corpus, or are named in a table.
        """
        if self._texts is None:
            found = self.arrays("SELECT id, text FROM vocabulary")
            self._texts = dict(zip(found["id"].tolist(), found["text"].tolist(), strict=True))
        return [self._texts.get(int(i), f"<token {int(i)}>") for i in ids]

    @property
    def ids(self) -> ndarray:
        """The tokens of all sequences, one after the other."""
        return self._flat()[0]

    @property
    def offsets(self) -> ndarray:
        """Where each sequence begins in `ids`, and one past the last one's end."""
        return self._flat()[1]

    def sequence(self, number: int) -> ndarray:
        """The tokens of one sequence.

        Arguments:
            number: of the sequence.
        """
        ids, offsets = self._flat()
        if not 0 <= number < len(offsets) - 1:
            raise InputError(f"there is no sequence {shown(number)}: the corpus has {len(offsets) - 1}, counted from 0")
        return ids[offsets[number] : offsets[number + 1]]

    def _flat(self) -> tuple[ndarray, ndarray]:
        if self._ids is None or self._offsets is None:
            import polars as pl

            column = pl.read_parquet(self.folder / "tokens.parquet").sort("sequence")["ids"]
            self._ids, self._offsets = column.explode().to_numpy(), np.concatenate([[0], np.cumsum(column.list.len().to_numpy())]).astype(np.int64)
        return self._ids, self._offsets

    def _listing(self) -> str:
        """SQL that makes the list: one row of numbers for each latent, with its best description or the tokens it is most active on."""
        has = set(self.columns)
        extra = {
            "logit_top": "logits_top_values[1]", "logit_bottom": "logits_bottom_values[1]", "neuron_share": "entries_share[1]",
            "nearest_cosine": "nearest_cosine[1]",
        }  # fmt: skip
        # NaN is what can't be told, such as the cosine of a direction of length 0; nullif is decided by the file's statistics, which know no NaN
        told = {name: f"CASE WHEN isnan({sql}) THEN NULL ELSE {sql} END" for name, sql in extra.items()}
        known = [f"{told[name] if sql.split('[')[0] in has else 'NULL::FLOAT'} AS {name}" for name, sql in extra.items()]
        words = "(SELECT string_agg('“' || v.text || '”', ' ' ORDER BY t.place) FROM (SELECT unnest(label_tokens) AS id, "
        words += "generate_subscripts(label_tokens, 1) AS place) t JOIN vocabulary v ON v.id = t.id)"
        return (
            "CREATE OR REPLACE TABLE listing AS SELECT l.latent, coalesce(d.text, " + words + ", '') AS label, d.author, firings, density, mean, "
            "mean_active, minimum, maximum, " + ", ".join(known) + ", d.score FROM latents l LEFT JOIN descriptions d "
            "ON d.latent = l.latent AND d.rank = 0 ORDER BY l.latent"
        )


def conditions(where: Sequence[str]) -> tuple[str, list[float]]:
    """Comparisons of statistics with numbers, as SQL and the numbers.

    Arguments:
        where: such as "density < 0.01", all of which must hold.

    Raises:
        InputError: what is no such comparison.

    >>> conditions(["density < 0.01", "latent=7"])
    ('density < ? AND latent = ?', [0.01, 7.0])
    """
    parts, numbers = [], []
    for one in where:
        found = COMPARISON.fullmatch(one)
        try:
            name, sign, number = found.groups() if found else ("", "", "")
            numbers.append(float(number))
        except ValueError:
            name = ""
        if name not in (*STATISTICS, "latent"):
            raise InputError(
                f"{shown(one)} is no filter: compare a statistic with a number, as in 'density < 0.01'; there is {', '.join(STATISTICS)}"
            )
        parts.append(f"{name} {sign} ?")
    return " AND ".join(parts), numbers


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
