"""Tables in which each row names its words: facts, hypernyms, and professions with a pronoun (Hanna et al. 2024, "Have faith in faithfulness").

Their `*_idx` columns are ids of GPT-2's tokenizer and are not read.
"""

import ast
from collections.abc import Iterator

from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.readers.source import Format, Source, spaced
from sonde.tasks.tables import Record

_OPPOSITE = {"man": ("she", "he"), "woman": ("he", "she")}
"""Who is named in the counterfactual: the answer before it, and its own."""


def _facts(source: Source) -> Iterator[Example | Misfit]:
    return source.each(lambda row: Example(row["clean"], row["corrupted"], spaced(row["country"]), spaced(row["corrupted_country"])))


def _hypernyms(source: Source) -> Iterator[Example | Misfit]:
    clean, corrupt = {"and other": ("clean", "corrupted"), "are a type of": ("clean2", "corrupted2")}[source.variant]
    return source.each(lambda row: Example(row[clean], row[corrupt], _list(row["answers"]), _list(row["corrupted_answers"])))


def _professions(source: Source) -> Iterator[Example | Misfit]:
    return source.each(_profession)


def _profession(row: Record) -> Example:
    named = [word for word in row["corrupted"].lower().split() if word in _OPPOSITE]
    if len(named) != 1:
        raise Misfit("the counterfactual names neither a man nor a woman", repr(row["corrupted"]))
    target, foil = _OPPOSITE[named[0]]
    return Example(row["clean"], row["corrupted"], spaced(target), spaced(foil))


def _list(text: str) -> tuple[str, ...]:
    try:
        words = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise Misfit("the answers are no list of words", repr(text))
    return spaced(*words)


FACTS = Format(
    "facts",
    "clean, country, corrupted, corrupted_country",
    frozenset({"clean", "corrupted", "country", "corrupted_country"}),
    _facts,
    notes=("the countries were taken from their columns, not from the file's token ids; those of several tokens are left out",),
)
HYPERNYMS = Format(
    "hypernyms",
    "clean, answers, corrupted, corrupted_answers",
    frozenset({"clean", "corrupted", "answers", "corrupted_answers", "clean2", "corrupted2"}),
    _hypernyms,
    ("and other", "are a type of"),
)
PROFESSIONS = Format(
    "professions",
    "clean, corrupted (a man or a woman), clean_answer_idx, corrupted_answer_idx",
    frozenset({"clean", "corrupted", "clean_answer_idx", "corrupted_answer_idx"}),
    _professions,
    notes=("what counts as right is the pronoun that the profession is stereotyped with: no fact, but what is measured",),
)
