"""Labelled examples from a table: JSON lines, CSV, TSV or Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.probing.labelled import Labelled
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from polars import DataFrame

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
SHOWN = 3  # rows that are left out are named, so many at most


def table(path: str | Path, text: str = "text", label: str = "label", span: Sequence[str] = (), group: str | None = None) -> Labelled:
    """Examples of a table, one a row.

    Arguments:
        path: JSON lines, CSV, TSV or Parquet, as its ending says.
        text: the column of the texts.
        label: the column of the labels: names, whole numbers or truth values are classes; numbers with a point are told.
        span: the columns of the first character and the one after the last: two names for a word, four for a pair, none for the whole text.
        group: the column that says what is not divided between train and test; the text by default.

    Returns:
        Rows with a missing value, or a span outside their text, are left out and named.

    Raises:
        InputError: a file that can't be read; a column that it does not have; no row that can be used.
    """
    file = Path(path).expanduser()
    if len(span) not in (0, 2, 4):
        raise InputError(f"span={shown(list(span), 60)}: name two columns, where a span starts and where it stops, or four for a pair")
    frame = _read(file)
    wanted = [text, label, *span, *([group] if group else [])]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise InputError(f"{file} has no column {shown(missing[0], 40)}; it has {', '.join(frame.columns)}")
    texts, targets, spans, groups, wrong = [], [], [], [], []
    for number, row in enumerate(frame.select(list(dict.fromkeys(wanted))).iter_rows(named=True), 1):
        places = [row[name] for name in span]
        trouble = _trouble(row, text, places, wanted)
        if trouble:
            wrong.append(f"row {number} of {file.name} was left out: {trouble}")
            continue
        texts.append(row[text])
        targets.append(row[label])
        spans.append([(places[i], places[i + 1]) for i in range(0, len(places), 2)])
        groups.append(row[group] if group else row[text])
    if not texts:
        raise InputError(f"{file} has no row that can be used" + (f": {wrong[0]}" if wrong else ""))
    notes = wrong[:SHOWN] + ([f"{len(wrong) - SHOWN} more rows were left out like these"] if len(wrong) > SHOWN else [])
    # rows of one text are examples of one text
    numbers = {one: i for i, one in enumerate(dict.fromkeys(texts))}
    return Labelled.of(list(numbers), targets, f"{label} in {file.name}", [numbers[one] for one in texts], spans, groups=groups, notes=notes)


def _read(file: Path) -> "DataFrame":
    import polars as pl

    readers: dict[str, Any] = {
        ".jsonl": pl.read_ndjson, ".ndjson": pl.read_ndjson, ".csv": pl.read_csv, ".parquet": pl.read_parquet,
        ".tsv": lambda opened, **more: pl.read_csv(opened, separator="\t", **more),
    }  # fmt: skip
    if file.suffix not in readers:
        raise InputError(f"{file} is no table that can be read: give one that ends in {', '.join(ENDINGS)}")
    # types are told from all rows: a column that looks whole at its beginning may not be
    more = {} if file.suffix == ".parquet" else {"infer_schema_length": None}
    try:
        frame: DataFrame = readers[file.suffix](file, **more)
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror or error}") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise InputError(f"{file} can't be read as {file.suffix[1:]}: {' '.join(str(error).split())[:200]}") from None
    return frame


def _trouble(row: dict[str, Any], text: str, places: Sequence[Any], wanted: Sequence[str]) -> str:
    """What is wrong with a row; nothing, where it can be used."""
    empty = [name for name in wanted if row[name] is None]
    if empty:
        return f"its {empty[0]!r} is missing"
    if not isinstance(row[text], str) or not row[text].strip():
        return f"its {text!r} is {shown(row[text], 40)}, and no text"
    if any(isinstance(place, bool) or not isinstance(place, int) for place in places):
        return f"its span {shown(list(places), 40)} is not of whole numbers"
    for start, stop in zip(places[::2], places[1::2], strict=True):
        if not 0 <= start < stop <= len(row[text]):
            return f"its span {start} to {stop} is outside its text of {len(row[text])} characters"
    return ""
