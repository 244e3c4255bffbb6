"""Files of rows as rows of named texts: lines, CSV, TSV, JSON and JSON lines; with the number of the line or entry that each row comes from.

JSON may be a list of texts, of lists or of objects, or an object of objects, whose keys then are the column "key".
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sonde.results import InputError

Record = dict[str, Any]
ENDINGS = (".txt", ".csv", ".tsv", ".json", ".jsonl")


def records(file: Path) -> list[Record]:
    """The rows of a file.

    Arguments:
        file: the file; its ending tells the format.

    Raises:
        InputError: it can't be read, or is no table.
    """
    text = read_text(file)
    if file.suffix == ".txt":
        return [{"word": line.strip()} for line in text.splitlines() if line.strip()]
    if file.suffix in (".csv", ".tsv"):
        found = csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if file.suffix == ".tsv" else ",", restkey="")
        return [row | {name: "" for name, value in row.items() if value is None} for row in found]
    if file.suffix == ".jsonl":
        return [_record(_json(line, f"{file}, line {i}"), f"{file}, line {i}") for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    if file.suffix == ".json":
        return _entries(_json(text, str(file)), file)
    raise InputError(f"{file} is no file of rows: give one that ends in {', '.join(ENDINGS)}")


def words(file: Path, columns: Iterable[str] = ()) -> list[tuple[str, ...]]:
    """A file's entries as lists of words use them: each once, and none in which a column is empty.

    Arguments:
        file: the file.
        columns: the columns that are wanted; by default the first one.

    Raises:
        InputError: as `records` says, no words, or a column that is not there.
    """
    rows = records(file)
    if not rows:
        raise InputError(f"{file} holds no words")
    wanted = list(columns) or list(rows[0])[:1]
    missing = [name for name in wanted if name not in rows[0]]
    if missing:
        raise InputError(f"{file} has no column {missing[0]!r}; it has {', '.join(rows[0])}")
    entries = (tuple(str(row.get(name) or "").strip() for name in wanted) for row in rows)
    return list(dict.fromkeys(forms for forms in entries if all(forms)))


def read_text(file: Path) -> str:
    """A file's text, in UTF-8 with or without its mark; raises `InputError` where it can't be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text in UTF-8: save it as UTF-8") from None


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{place} is no JSON: {error}") from None


def _entries(data: Any, file: Path) -> list[Record]:
    if isinstance(data, dict) and data and all(isinstance(value, dict) for value in data.values()):
        return [{"key": key} | value for key, value in data.items()]
    if isinstance(data, dict) and isinstance(data.get("prompts"), list):
        return [_record(entry, f"{file}, prompt {i}") for i, entry in enumerate(data["prompts"], 1)]
    if not isinstance(data, list):
        raise InputError(f"{file} holds no rows: a list, an object of objects, or an object with a list of prompts is read")
    return [_record(entry, f"{file}, entry {i}") for i, entry in enumerate(data, 1)]


def _record(entry: Any, place: str) -> Record:
    if isinstance(entry, str | int | float):
        return {"word": str(entry)}
    if isinstance(entry, list):
        return {"word" if i == 0 else str(i + 1): value for i, value in enumerate(entry)}
    if not isinstance(entry, dict):
        raise InputError(f"{place} is neither a text nor a list nor an object")
    return entry
