"""Minimal pairs from files: BLiMP's JSON lines, or any JSON lines, CSV or TSV with `sentence_good` and `sentence_bad`.

A line that can't be used is named and left out; the others are read.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonde.behaviour.pairs.pair import Critical, Pair
from sonde.behaviour.pairs.phenomena import phenomenon_of
from sonde.results import InputError, shown

ENDINGS = (".jsonl", ".csv", ".tsv")
NEEDED = ("sentence_good", "sentence_bad")
# each method's field that says whether it suits
SUITS = {"sentence": "simple_LM_method", "one-prefix": "one_prefix_method", "two-prefix": "two_prefix_method"}


@dataclass(frozen=True)
class PairSet:
    """The pairs of some files.

    Arguments:
        pairs: those that could be read.
        problems: one line for each that could not.
        files: what was read.
    """

    pairs: list[Pair]
    problems: list[str]
    files: list[str]

    def __len__(self) -> int:
        return len(self.pairs)

    def limited(self, n: int) -> "PairSet":
        """At most the first `n` pairs of each paradigm."""
        seen: dict[str, int] = {}
        kept = []
        for pair in self.pairs:
            seen[pair.paradigm] = seen.get(pair.paradigm, 0) + 1
            if seen[pair.paradigm] <= n:
                kept.append(pair)
        return PairSet(kept, self.problems, self.files)


def read_pairs(paths: str | Path | Sequence[str | Path]) -> PairSet:
    """Read minimal pairs.

    Arguments:
        paths: files, or folders whose files are read: JSON lines, CSV or TSV, with `sentence_good` and `sentence_bad`, and if known the
            paradigm (`UID`), the phenomenon (`linguistics_term`), and BLiMP's fields of the prefix methods.

    Raises:
        InputError: a file that is missing or of another kind; no pair in any of them.
    """
    files = [file for path in ([paths] if isinstance(paths, str | Path) else paths) for file in _files(Path(path).expanduser())]
    pairs: list[Pair] = []
    problems: list[str] = []
    for file in files:
        for place, row in _rows(file):
            try:
                pairs.append(_pair(row, file.stem, place))
            except InputError as error:
                problems.append(f"{place}: {error}")
    if not pairs:
        first = f"; the first of {len(problems)} problems: {problems[0]}" if problems else ""
        raise InputError(f"no minimal pair in {', '.join(map(str, files[:3])) or shown(paths)}{first}")
    return PairSet(pairs, problems, [str(file) for file in files])


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in ENDINGS)
    if not path.is_file():
        raise InputError(f"there is no file or folder {path}: give minimal pairs as {', '.join(ENDINGS)}, or a folder of such files")
    if path.suffix not in ENDINGS:
        raise InputError(f"{path} is no {', '.join(ENDINGS)}: give JSON lines, CSV or TSV with the fields {' and '.join(NEEDED)}")
    return [path]


def _rows(file: Path) -> Iterable[tuple[str, Any]]:
    """The rows of a file with their places; what can't be parsed comes as an error."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} can't be read: {error}") from None
    if file.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"{file.name}:{number}", _parsed(line)
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if file.suffix == ".tsv" else ",", strict=True)
    try:
        for row in reader:
            yield f"{file.name}:{reader.line_num}", row
    except csv.Error as error:
        yield f"{file.name}:{reader.line_num}", InputError(f"this line is not as such files are written ({error})")


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return InputError(f"this line is no JSON ({error})")


def _pair(row: Any, file: str, place: str) -> Pair:
    """The pair in a row."""
    if isinstance(row, InputError):
        raise row
    if not isinstance(row, Mapping):
        raise InputError(f"{shown(row, 40)} is no row of named fields")
    for name in NEEDED:
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise InputError(f"the field {name} is missing or empty")
    good, bad = row["sentence_good"].strip(), row["sentence_bad"].strip()
    if good == bad:
        raise InputError(f"both sentences are {shown(good, 60)}: an equal pair compares nothing")
    paradigm = str(row.get("UID") or file)
    unsuited = tuple(method for method, name in SUITS.items() if row.get(name) is False)
    return Pair(
        good, bad, paradigm, phenomenon_of(row.get("linguistics_term"), paradigm),
        _critical(row, "one_prefix_prefix", "one_prefix_prefix", "one_prefix_word_good", "one_prefix_word_bad"),
        _critical(row, "two_prefix_prefix_good", "two_prefix_prefix_bad", "two_prefix_word", "two_prefix_word"),
        unsuited, place,
    )  # fmt: skip


def _critical(row: Mapping[str, Any], *names: str) -> Critical | None:
    found = [row.get(name) for name in names]
    if not all(isinstance(value, str) and value.strip() for value in found):
        return None
    good, bad, word_good, word_bad = (str(value).strip() for value in found)
    return Critical((good, word_good), (bad, word_bad))
