"""Winogender schemas (Rudinger et al. 2018): sentences with one pronoun and two people whom it may mean, of whom one has an occupation.

Schemas come in pairs that differ in what follows the pronoun, so that it means the one person or the other; each with the other person named ("the
customer") and unnamed ("someone"). Read from the authors' files: `templates.tsv`, or `all_sentences.tsv`, whose masculine sentences tell the slots;
and `occupations-stats.tsv`, the share of women in each occupation.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sonde.results import InputError, shown
from sonde.tasks.tables import records

Gender = Literal["female", "male"]
Person = Literal["occupation", "participant"]
GENDERS: tuple[Gender, ...] = ("female", "male")
PEOPLE: tuple[Person, ...] = ("occupation", "participant")
PRONOUNS: dict[str, dict[Gender, str]] = {
    "NOM": {"female": "she", "male": "he"},
    "ACC": {"female": "her", "male": "him"},
    "POSS": {"female": "her", "male": "his"},
}
NOBODY = "someone"
_SLOT = re.compile(r"\$(NOM|ACC|POSS)_PRONOUN")
_MASCULINE = {pronouns["male"]: case for case, pronouns in PRONOUNS.items()}
_TEMPLATE = ("occupation(0)", "other-participant(1)", "answer", "sentence")
_FILLED = ("sentid", "sentence")


@dataclass(frozen=True)
class Schema:
    """A sentence without its pronoun.

    Arguments:
        occupation: the one person.
        participant: the other; "someone" where nobody is named.
        answer: whom the pronoun means.
        before, after: the text on both sides of the pronoun.
        case: of the pronoun: "NOM", "ACC" or "POSS".
    """

    occupation: str
    participant: str
    answer: Person
    before: str
    after: str
    case: str

    def person(self, person: Person) -> str:
        """How one of the two is called.

        >>> Schema("nurse", "someone", "occupation", "The nurse told someone that ", " left.", "NOM").person("participant")
        'someone'
        """
        name = self.occupation if person == "occupation" else self.participant
        return name if name == NOBODY else f"the {name}"

    def pronoun(self, gender: Gender) -> str:
        """The pronoun of a gender, in this sentence's case."""
        return PRONOUNS[self.case][gender]

    def filled(self, gender: Gender) -> str:
        """The sentence with its pronoun."""
        return self.before + self.pronoun(gender) + self.after

    def put(self, person: Person) -> str:
        """What stands in the pronoun's place where it is substituted by whom it may mean."""
        return self.person(person) + ("'s" if self.case == "POSS" else "")


@dataclass(frozen=True)
class Schemas:
    """A file of schemas.

    Arguments:
        schemas: those that could be read.
        women: the percentage of women in each occupation; empty where there is no such file.
        bad: the rows that could not be read, and why.
    """

    schemas: tuple[Schema, ...]
    women: Mapping[str, float]
    bad: tuple[str, ...] = ()

    @property
    def content(self) -> list[Any]:
        """What a result depends on, as plain data."""
        return [[list(vars(schema).values()) for schema in self.schemas], dict(self.women)]


def read_schemas(source: str | Path, women: Literal["bls", "bergsma"] = "bls") -> Schemas:
    """Read Winogender schemas.

    Arguments:
        source: the folder of the authors' files, or one file of sentences; the shares of women are read from beside it.
        women: whose percentages: the US labour statistics', or those counted in texts by Bergsma and Lin (2006).

    Raises:
        InputError: no such file, other columns, or no row that can be read.
    """
    place = Path(source).expanduser()
    files = [place / "templates.tsv", place / "all_sentences.tsv"] if place.is_dir() else [place]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise InputError(f"there is no {' and no '.join(map(str, files))}: give the folder of the Winogender schemas")
    rows = records(file)
    columns = tuple(rows[0]) if rows else ()
    read = next((read for read, wanted in ((_template, _TEMPLATE), (_sentence, _FILLED)) if set(wanted) <= set(columns)), None)
    if read is None:
        raise InputError(f"{file} has the columns {', '.join(columns)}, and needs {', '.join(_TEMPLATE)}; or {', '.join(_FILLED)}")
    schemas: list[Schema] = []
    bad: list[str] = []
    for i, row in enumerate(rows, 2):
        try:
            schemas += read(row)
        except InputError as error:
            bad.append(f"{file.name}, line {i}: {error}")
    if not schemas:
        raise InputError(f"{file} has no row that can be read: {bad[0]}")
    shares, unread = _shares(file.parent / "occupations-stats.tsv", f"{women}_pct_female")
    return Schemas(tuple(schemas), shares, tuple(bad + unread))


def _template(row: Mapping[str, str]) -> Iterator[Schema]:
    """Both schemas of a template: the other person named, and unnamed."""
    occupation, participant, answer, sentence = (row[name].strip() for name in _TEMPLATE)
    if "$OCCUPATION" not in sentence or "$PARTICIPANT" not in sentence:
        raise InputError(f"{shown(sentence)} has no $OCCUPATION or no $PARTICIPANT")
    sentence = sentence.replace("$OCCUPATION", occupation)
    unnamed = re.sub(r"\b(The|the|A|a|An|an) \$PARTICIPANT", lambda found: NOBODY.capitalize() if found[1][0].isupper() else NOBODY, sentence)
    named = sentence.replace("$PARTICIPANT", participant)
    for other, text in ((participant, named), (NOBODY, unnamed)):
        yield _schema(occupation, other, answer, text, [(found, found[1]) for found in _SLOT.finditer(text)])


def _sentence(row: Mapping[str, str]) -> Iterator[Schema]:
    """The schema of a masculine sentence, whose pronoun tells the case; other sentences are the same with another pronoun."""
    parts = row["sentid"].strip().removesuffix(".txt").split(".")
    if len(parts) != 4 or parts[3] not in ("male", "female", "neutral"):
        raise InputError(f"{shown(row['sentid'])} is not occupation.participant.answer.gender")
    occupation, participant, answer, gender = parts
    if gender != "male":
        return
    text = row["sentence"].strip()
    pronouns = re.finditer(rf"\b({'|'.join(_MASCULINE)})\b", text)
    yield _schema(occupation, participant, answer, text, [(found, _MASCULINE[found[1]]) for found in pronouns])


def _schema(occupation: str, participant: str, answer: str, text: str, slots: list[tuple[re.Match[str], str]]) -> Schema:
    if not occupation or not participant:
        raise InputError(f"one of the two people has no name: {occupation!r}, {participant!r}")
    if answer not in ("0", "1"):
        raise InputError(f"the answer {answer!r} is neither 0 (the occupation) nor 1 (the participant)")
    if len(slots) != 1:
        raise InputError(f"{shown(text)} has {len(slots)} pronouns where one belongs")
    found, case = slots[0]
    if not text[: found.start()].strip() or not text[found.end() :].strip():
        raise InputError(f"{shown(text)} has nothing before or after its pronoun, so nothing tells whom it means")
    return Schema(occupation, participant, "occupation" if answer == "0" else "participant", text[: found.start()], text[found.end() :], case)


def _shares(file: Path, column: str) -> tuple[dict[str, float], list[str]]:
    """The percentage of women by occupation, and the rows that can't be read."""
    if not file.is_file():
        return {}, []
    rows = records(file)
    if not rows or not {"occupation", column} <= rows[0].keys():
        raise InputError(f"{file} has no column 'occupation' or {column!r}; it has {', '.join(rows[0]) if rows else 'no rows'}")
    shares, bad = {}, []
    for i, row in enumerate(rows, 2):
        try:
            share = float(row[column])
            if not 0 <= share <= 100:
                raise ValueError
            shares[row["occupation"].strip()] = share
        except ValueError:
            bad.append(f"{file.name}, line {i}: {row[column]!r} is no percentage")
    return shares, bad
