"""Numbers that must exceed an earlier one (Hanna et al. 2023, "How does GPT-2 compute greater-than?").

The prompt ends with the first two digits of a number; all later endings are right, all others wrong. The start is read in the sentence and must agree
with the column that gives it (`label` or `correct_idx`, which holds the two digits here and no token id).
"""

import re
from collections.abc import Iterator

from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.prompt import Word
from sonde.tasks.readers.source import Format, Source
from sonde.tasks.tables import Record

_ENDINGS = tuple(f"{i:02}" for i in range(100))


def _years(source: Source) -> Iterator[Example | Misfit]:
    column = "label" if "label" in source.rows[0] else "correct_idx"
    return source.each(lambda row: _example(row, column))


def _example(row: Record, column: str) -> Example:
    clean = row["clean"]
    found = list(re.finditer(r"(?<!\d)(\d\d)(\d\d)(?!\d)", clean))
    end = re.search(r"(?<!\d)(\d\d)$", clean)
    if not found or end is None or found[-1][1] != end[1]:
        raise Misfit("no number of four digits is begun again at the end", repr(clean))
    start = int(found[-1][2])
    if not str(row[column]).isdecimal() or int(row[column]) != start:
        raise Misfit(f"the column {column} contradicts the sentence", f"{row[column]!r} for {clean!r}")
    # the nearest ones stand for all where one is needed
    later, rest = _ENDINGS[start + 1 :], _ENDINGS[start::-1]
    if not later:
        raise Misfit("no later number has the same beginning", repr(clean))
    return Example(clean, row["corrupted"], later, rest, {"start": (Word(found[-1][0], found[-1].start(), found[-1].end()),)})


_NOTES = ("right are all two-digit endings above the start that are single tokens, wrong all others",)
YEARS = Format(
    "greater_than", "clean, corrupted, label (the start's last two digits)", frozenset({"clean", "corrupted", "label"}), _years, notes=_NOTES
)
NUMBERS = Format(
    "greater_than_idx",
    "clean, corrupted, correct_idx (the start's last two digits, no token id)",
    frozenset({"clean", "corrupted", "correct_idx"}),
    _years,
    notes=_NOTES,
)
