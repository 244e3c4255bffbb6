"""Documents by number, wherever they lie: lists, text files, JSON lines, Parquet, arrays of tokens, data sets, or a stream that has no numbers.

A document is a text or a row of token ids. One that cannot be read is an `InputError` in its place, so that whoever reads can name it and go on.
"""

import hashlib
import json
import mmap
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sonde.results import InputError, LoadError, content_hash, shown

Document = str | list[int] | InputError

TEXT, LINES, TABLE, ARRAYS = (".txt", ".text", ".md"), (".jsonl", ".ndjson"), (".parquet",), (".npy", ".safetensors")


class Documents(Protocol):
    """Documents that have numbers, so that they can be shuffled."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, number: int) -> Document:
        """One of them."""
        ...

    @property
    def hash(self) -> str:
        """A content hash of them all."""
        ...


class Listed:
    """Documents of a list, a table's column, or whatever has a length and numbers.

    Arguments:
        items: texts, rows of token ids, records with the text in a field, or objects with a `text`.
        field: of records.
        name: of the whole, for messages.
    """

    def __init__(self, items: Any, field: str = "text", name: str = "the corpus"):
        self.items, self.field, self.name = items, field, name

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Document:
        return as_document(self.items[number], self.field, f"document {number} of {self.name}")

    @property
    def hash(self) -> str:
        """A content hash; of a data set that has a fingerprint, that."""
        if isinstance(self.items, Tensor | np.ndarray):
            return content_hash(torch.as_tensor(self.items))
        own = getattr(self.items, "_fingerprint", None)
        return own if isinstance(own, str) else content_hash([str(self[i]) for i in range(len(self))])


class Parts:
    """Documents that lie in files one after the other, found once and read one by one.

    Arguments:
        paths: the files.
        separator: what stands between two documents; `None` where each file is one.
        parse: from a part to a text, a row of ids or a record.
        field: of records.
    """

    def __init__(self, paths: Sequence[Path], separator: bytes | None, parse: Callable[[bytes], Any], field: str = "text"):
        self.paths, self.parse, self.field = list(paths), parse, field
        digest, spans = hashlib.sha256(), array("q")
        for number, path in enumerate(self.paths):
            if not path.stat().st_size:  # nothing, which can't be mapped
                continue
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                digest.update(view)
                for start, end in _between(view, separator):
                    if view[start:end].strip():
                        spans.extend((number, start, end))
        self._spans = np.array(spans, dtype=np.int64).reshape(-1, 3)
        self.hash = digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, number: int) -> Document:
        of, start, end = self._spans[number].tolist()
        where = f"document {number + 1 - int(np.searchsorted(self._spans[:, 0], of))} of {self.paths[of].name}"
        with self.paths[of].open("rb") as file:
            file.seek(start)
            part = file.read(end - start)
        try:
            return as_document(self.parse(part), self.field, where)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            return InputError(f"{where} can't be read ({error})")


def _between(view: mmap.mmap, separator: bytes | None) -> Iterator[tuple[int, int]]:
    """Where the parts between separators begin and end."""
    start = 0
    for found in re.finditer(re.escape(separator), view) if separator is not None else ():
        yield start, found.start()
        start = found.end()
    yield start, len(view)


class Cuts:
    """One long row of tokens as documents of one length.

    Arguments:
        tokens: ids, [pos].
        length: of a document; the last one has what is left.
    """

    def __init__(self, tokens: Any, length: int):
        self.tokens, self.length = tokens, length

    def __len__(self) -> int:
        return -(-len(self.tokens) // self.length)

    def __getitem__(self, number: int) -> Document:
        return [int(i) for i in self.tokens[number * self.length : (number + 1) * self.length]]

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(torch.as_tensor(np.asarray(self.tokens)))


class Stream:
    """Documents that come one after the other and have no numbers: an iterator, a data set that is streamed.

    Arguments:
        items: as for `Listed`; only what can be begun anew can be gone on with.
        field: of records.
    """

    hash = ""  # not known before the end; the first block of a state tells whether it is the same

    def __init__(self, items: Iterable[Any], field: str = "text"):
        self.items, self.field, self._begun = items, field, False

    def after(self, number: int) -> Iterator[Document]:
        """The documents from this one on.

        Arguments:
            number: how many are left out.

        Raises:
            InputError: an iterator that was begun before.
        """
        if isinstance(self.items, Iterator) and (self._begun or number):
            raise InputError(
                f"{shown(self.items)} can't be rewound: to go on after an interruption or to read it twice, give a list, or what can be begun anew"
            )
        self._begun = True
        skip = getattr(self.items, "skip", None)  # streamed data sets leave out whole files
        rest = skip(number) if callable(skip) else islice(self.items, number, None)
        return (as_document(item, self.field, f"document {i} of the stream") for i, item in enumerate(rest, number))


def as_document(item: Any, field: str, where: str) -> Document:
    """A text or a row of ids, from whatever holds it.

    Arguments:
        item: a text, ids, a record, or an object with a `text`.
        field: of a record.
        where: what it is called in a message.

    >>> as_document({"story": "Once."}, "story", "line 1"), as_document((3, 4), "story", "line 2")
    ('Once.', [3, 4])
    """
    if isinstance(item, Mapping):
        if field not in item:
            return InputError(f"{where} has no field {field!r}, only {', '.join(map(repr, item)) or 'none'}: name the right one with field=")
        item = item[field]
    item = item if isinstance(item, str | Tensor | np.ndarray | Sequence) else getattr(item, "text", item)
    if isinstance(item, str):
        return item
    values = item.tolist() if isinstance(item, Tensor | np.ndarray) else item
    if isinstance(values, Sequence) and all(type(value) is int or isinstance(value, np.integer) for value in values):
        return [int(value) for value in values]
    return InputError(f"{where} is neither text nor a row of token ids: {shown(item, 60)}")


def opened(paths: Sequence[Path], field: str, separator: str | None, length: int) -> Documents:
    """The documents of files of one kind.

    Arguments:
        paths: the files.
        field: of records: JSON's, or a Parquet column; of a safetensors file the name of the tensor.
        separator: between the documents of a text file; `None` where a file is one document.
        length: of the documents that one long row of tokens is cut into.

    Raises:
        LoadError: a file that is not there or can't be read. InputError: kinds that are mixed or unknown, a field that is not there.
    """
    endings = {path.suffix.lower() for path in paths}
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise LoadError(f"there is no file {missing[0]}; texts by themselves are given as a list of strings")
    if endings <= set(TEXT):
        return Parts(paths, None if separator is None else separator.encode(), lambda part: part.decode("utf-8-sig").strip())
    if endings <= set(LINES):
        return Parts(paths, b"\n", json.loads, field)
    if endings <= set(TABLE):
        return _table(paths, field)
    if endings <= set(ARRAYS) and len(paths) == 1:
        return tokens(_array(paths[0], field), length)
    raise InputError(
        f"{', '.join(path.name for path in paths[:3])}: give files of one kind: {', '.join(TEXT + LINES + TABLE)}, or one of {', '.join(ARRAYS)}"
    )


def tokens(ids: Any, length: int) -> Documents:
    """The documents of an array of token ids: its rows, or cuts of the one that it is.

    Arguments:
        ids: whole numbers, [row, pos] or [pos].
        length: of the cuts.

    Raises:
        InputError: other numbers, or another shape.
    """
    whole = np.issubdtype(ids.dtype, np.integer) if isinstance(ids, np.ndarray) else not (ids.is_floating_point() or ids.is_complex())
    if not whole or ids.ndim not in (1, 2):
        raise InputError(f"token ids are whole numbers, [row, pos] or [pos]; got {ids.dtype} {tuple(ids.shape)}")
    return Cuts(ids, length) if ids.ndim == 1 else Listed(ids, name="the array")


def _table(paths: Sequence[Path], field: str) -> Documents:
    import polars as pl

    try:
        frame = pl.scan_parquet(list(paths))
        names = frame.collect_schema().names()
        if field not in names:
            raise InputError(f"{paths[0].name} has no column {field!r}, only {', '.join(map(repr, names))}: name the right one with field=")
        return Listed(frame.select(field).collect().get_column(field), name=paths[0].name)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LoadError(f"{paths[0]} can't be read as Parquet ({str(error).splitlines()[0]})") from error


def _array(path: Path, field: str) -> Any:
    """The one array of a file, or the one that is named."""
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if field not in names and len(names) != 1:
                raise InputError(f"{path.name} has no tensor {field!r}, only {', '.join(map(repr, names))}: name the right one with field=")
            return file.get_tensor(field if field in names else names[0])
    except InputError:
        raise
    except Exception as error:  # safetensors raises its own; numpy ValueError, OSError and EOFError
        raise LoadError(f"{path} can't be read as an array of token ids ({error})") from error
