"""Indirect objects as a table of sentences (Hanna et al. 2024, after Wang et al. 2022).

The files give the answers as ids of one tokenizer. The names are taken from the sentences instead: `corrupted_hard` is the sentence with the giver's
second mention replaced by the receiver, so where the two differ, one has the wrong name and the other the right one.
"""

import re
from collections.abc import Iterator

from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.prompt import Word
from sonde.tasks.readers.source import Format, Source, spaced
from sonde.tasks.tables import Record

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def _names(source: Source) -> Iterator[Example | Misfit]:
    return source.each(lambda row: _example(row, source.variant))


def _example(row: Record, variant: str) -> Example:
    clean, hard = row["clean"], row["corrupted_hard"]
    words = [Word(found[0], found.start(), found.end()) for found in _WORD.finditer(clean)]
    others = _WORD.findall(hard)
    changed = [(mine, other) for mine, other in zip(words, others, strict=False) if mine.text != other]
    if len(words) != len(others) or len(changed) != 1:
        raise Misfit("the names can't be told from the sentences", f"{clean!r} against {hard!r} differ in more than one word")
    giver, receiver = changed[0]
    if [word.text for word in words].count(receiver) != 1:
        raise Misfit("the names can't be told from the sentences", f"{receiver!r} does not stand once in {clean!r}")
    spans = {
        "receiver": tuple(word for word in words if word.text == receiver),
        "giver": tuple(word for word in words if word.text == giver.text and word != giver),
        "giver again": (giver,),
    }
    return Example(clean, row[variant], spaced(receiver), spaced(giver.text), {name: found for name, found in spans.items() if found})


IOI = Format(
    "ioi",
    "clean, corrupted (another giver), corrupted_hard (the receiver gives)",
    frozenset({"clean", "corrupted", "corrupted_hard"}),
    _names,
    ("corrupted", "corrupted_hard"),
    ("the names were taken from the sentences, not from the file's token ids",),
)
