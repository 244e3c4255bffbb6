"""Rows that say everything themselves: prompt, counterfactual, right and wrong answers.

`prompts` is the form of Conmy and Miller's circuit tasks (UFO-101/auto-circuit), `prefixes` that of Marks et al. 2024 ("Sparse feature circuits",
after Finlayson et al. 2021), `pairs` a table of one's own.
"""

from collections.abc import Iterator
from typing import Any

from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.readers.source import Format, Source
from sonde.tasks.tables import Record


def _prompts(source: Source) -> Iterator[Example | Misfit]:
    return source.each(lambda row: Example(_text(row, "clean"), _text(row, "corrupt"), _texts(row, "answers"), _texts(row, "wrong_answers")))


def _prefixes(source: Source) -> Iterator[Example | Misfit]:
    return source.each(
        lambda row: Example(_text(row, "clean_prefix"), _text(row, "patch_prefix"), _texts(row, "clean_answer"), _texts(row, "patch_answer"))
    )


def _pairs(source: Source) -> Iterator[Example | Misfit]:
    return source.each(lambda row: Example(_text(row, "clean"), _text(row, "corrupt"), _texts(row, "answer"), _texts(row, "wrong")))


def _text(row: Record, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise Misfit(f"{column} is no text", repr(value))
    return value


def _texts(row: Record, column: str) -> tuple[str, ...]:
    """One answer or several, as they are written: their leading space is part of them."""
    value: Any = row.get(column)
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, str) and entry for entry in entries):
        raise Misfit(f"{column} is neither a text nor a list of texts", repr(value))
    return tuple(entries)


PROMPTS = Format(
    "prompts",
    "JSON with prompts: clean, corrupt, answers, wrong_answers",
    frozenset({"clean", "corrupt", "answers", "wrong_answers"}),
    _prompts,
    notes=("positions that the file may name (word_idxs, seq_labels) count another tokenizer's tokens and were left out",),
)
PREFIXES = Format(
    "prefixes",
    "JSON lines: clean_prefix, patch_prefix, clean_answer, patch_answer",
    frozenset({"clean_prefix", "patch_prefix", "clean_answer", "patch_answer"}),
    _prefixes,
)
PAIRS = Format(
    "pairs",
    "a table of your own: clean, corrupt, answer, wrong (answers with their leading space)",
    frozenset({"clean", "corrupt", "answer", "wrong"}),
    _pairs,
)
