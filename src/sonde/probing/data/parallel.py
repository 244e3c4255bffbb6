"""Sentences in several languages, the same ones: which language is it, or which kind of text, and does a probe of one language read another?"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from sonde.probing.labelled import Labelled
from sonde.results import InputError, shown

NAME = "sent_id"
DOMAINS = {"n": "news", "w": "Wikipedia"}


def parallel(
    path: str | Path, languages: Sequence[str] | None = None, field: Literal["language", "domain"] = "language", n: int | None = None
) -> Labelled:  # fmt: skip
    """Whole sentences of a parallel treebank (PUD), a column for each language; the translations of one are never divided between train and test.

    Arguments:
        path: a table with tabs between its columns: "sent_id", then a column for each language.
        languages: the columns that are read; all by default.
        field: "language", or "domain", which the first letter of the name tells: n for news, w for Wikipedia.
        n: sentences of each language; all by default.

    Raises:
        InputError: a file that can't be read, or is no such table; a language that it does not have; a name that tells no domain.
    """
    file = Path(path).expanduser()
    try:
        rows = [line.split("\t") for line in file.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text in UTF-8") from None
    if not rows or rows[0][0].strip() != NAME or len(rows) < 2:
        raise InputError(f"{file} is no table of parallel sentences: its first line names the columns, {NAME!r} and the languages, with tabs between")
    head = [name.strip() for name in rows[0]]
    chosen = list(languages) if languages is not None else head[1:]
    if field not in ("language", "domain"):
        raise InputError(f"field={shown(field, 40)}: ask for the 'language' or the 'domain'")
    strange = [name for name in chosen if name not in head[1:]]
    if strange or not chosen:
        raise InputError(f"{file} has no language {shown(strange[0] if strange else '', 40)}; it has {', '.join(head[1:])}")
    texts, targets, rows_of, notes = [], [], [], []
    for number, row in enumerate(rows[1 : None if n is None else n + 1], 2):
        if len(row) != len(head):
            notes.append(f"{file}, line {number} has {len(row)} columns and the first line {len(head)}: left out")
            continue
        if field == "domain" and row[0][:1] not in DOMAINS:
            raise InputError(f"{file}, line {number}: the name {shown(row[0], 40)} tells no domain; it begins with {' or '.join(DOMAINS)}")
        for language in chosen:
            if sentence := row[head.index(language)].strip():
                texts.append(sentence)
                targets.append(language if field == "language" else DOMAINS[row[0][0]])
                rows_of.append(number - 2)
    found = Labelled.of(texts, targets, f"{field} in {file.name}", groups=rows_of, notes=notes)
    # the number of its row, so that a sentence has the same one where another language is read alone
    return replace(found, groups=torch.tensor(rows_of))
