"""Tables from files. A row that cannot be read is named and left out, and the rest goes on."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from sonde.behaviour.tables.formats import TABLE_FORMATS, Format, Raw
from sonde.behaviour.tables.table import Kind, Table, Value
from sonde.results import InputError

_NAMED = 3  # rows left out that are named in a note


def read_table(
    path: str | Path,
    format: str = "csv",  # noqa: A002
    target: str = "",
    kinds: Mapping[str, Kind] | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    """Read a table from a file of comma-separated values.

    Arguments:
        path: the file.
        format: "adult", "german", "compas", or "csv": any file with a header line.
        target: the column that is predicted; the format's own where it has one.
        kinds: of columns, where they are not to be told from the format or from the values (numbers are numeric, all else categorical).
        ignore: columns that are kept, for groups, but that no model may read.

    Raises:
        InputError: a file that is missing, an unknown format or column, no row that can be read, or rows of one class only.
    """
    if format not in TABLE_FORMATS:
        raise InputError(f"format {format!r} is unknown: it is one of {', '.join(TABLE_FORMATS)}")
    known = TABLE_FORMATS[format]
    rows, bad = _rows(Path(path).expanduser(), known)
    if not rows:
        raise InputError(f"{path} holds no row that can be read as {format}{': ' + bad[0] if bad else ''}")
    target = target or known.target
    if target not in rows[0]:
        raise InputError(f"{path} has no column {target!r} to predict: name one of {', '.join(rows[0])} with target=")
    classes = known.classes if target == known.target and known.classes else {value: value for value in sorted({row[target] for row in rows})}
    strange = [row for row in rows if row[target] not in classes]
    if strange:
        bad.append(f"{len(strange)} rows whose {target!r} is {strange[0][target]!r}, not one of {', '.join(classes)}")
        rows = [row for row in rows if row[target] in classes]
    names = tuple(dict.fromkeys(classes.values()))
    labels = torch.tensor([names.index(classes[row[target]]) for row in rows], dtype=torch.long)
    if len(present := labels.unique().tolist()) < 2:
        raise InputError(f"every row of {path} has {target}={names[present[0]] if present else 'none'}: with one class there is nothing to predict")
    chosen = {**(known.kinds or {name: "categorical" for name in rows[0] if name != target}), **(kinds or {})}
    unknown = [name for name in (*chosen, *known.kept, *ignore) if name not in rows[0]]
    if unknown:
        raise InputError(f"{path} has no column {unknown[0]!r}: it has {', '.join(rows[0])}")
    columns = {name: _values([row[name] for row in rows]) for name in rows[0] if name in (*chosen, *known.kept, *ignore)}
    if not known.kinds:
        chosen = {name: "numeric" if not isinstance(columns[name][0], str) else "categorical" for name in chosen} | dict(kinds or {})
    found: dict[str, Kind] = {name: kind for name, kind in chosen.items() if name not in ignore}  # type: ignore[misc]
    return Table(Path(path).stem, columns, found, labels, names, tuple(bad))


def _rows(path: Path, known: Format) -> tuple[list[Raw], list[str]]:
    """The rows by column, and what was left out."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read as a table: {error}") from None
    cells = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(lines), 1) if any(cell.strip() for cell in row)]
    names = list(known.names) or (cells.pop(0)[1] if cells else [])
    kept, wrong, left = [], [], []
    for number, row in cells:
        if len(row) != len(names):
            wrong.append(number)
            continue
        mended = known.mended(dict(zip(names, row, strict=True)))
        left.append(number) if mended is None else kept.append(mended)
    notes = [_note(wrong, f"do not have {len(names)} cells")] if wrong else []
    return kept, notes + ([_note(left, "lack what this format needs")] if left else [])


def _note(numbers: Sequence[int], why: str) -> str:
    more = ", ..." if len(numbers) > _NAMED else ""
    return f"{len(numbers)} lines left out ({', '.join(map(str, numbers[:_NAMED]))}{more}): they {why}"


def _values(cells: Sequence[str]) -> list[Value]:
    """Numbers where all are numbers; a column that must be one is left as it is, so that the table names the cell that is none."""
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return list(cells)
