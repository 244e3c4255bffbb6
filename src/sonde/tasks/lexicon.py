"""Words by class: what may stand in for what.

A class lists entries; an entry is the forms of one thing ("key", "keys"; "France", "Paris"), so that exchanging one entry for another
carries all its forms along. Classes are narrow (`woman`, `object`) and may lie within a wider one (`name`, `noun`). Some are ordered, in a
circle (weekdays) or along a line (number words). Words that are never exchanged (articles, prepositions, ...) are in `fixed`. What is a kind of what
cuts across the classes (an apple is an object and a fruit), so kinds stand beside them. The lists are data: `lexicon.json`.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from sonde.results import InputError


@dataclass(frozen=True)
class Entry:
    """The forms of one thing, in the order of its class's `forms`."""

    forms: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class WordClass:
    """Entries that may stand in for one another.

    Arguments:
        name: the class's name.
        forms: what the forms of an entry are.
        entries: its members; for an ordered class in their order.
        wider: the class that this one lies within; empty where there is none.
        order: whether the entries follow one another, in a circle or along a line.
        opposite: the class that differs from this one in one feature, such as the gender of a name; empty where there is none.
        whole: whether its words serve only where they are single tokens; a year may be several.
    """

    name: str
    forms: tuple[str, ...]
    entries: tuple[Entry, ...]
    wider: str = ""
    order: Literal["", "circle", "line"] = ""
    opposite: str = ""
    whole: bool = True

    def after(self, entry: Entry, steps: int = 1) -> Entry | None:
        """The entry some steps further in an ordered class; `None` beyond its ends."""
        place = self.entries.index(entry) + steps
        if self.order == "circle":
            return self.entries[place % len(self.entries)]
        return self.entries[place] if 0 <= place < len(self.entries) else None


@dataclass(frozen=True)
class Kind:
    """What several things are, such as fruit.

    Arguments:
        names: what it is called, singular and plural.
        members: the things, each with its forms.
    """

    names: tuple[str, ...]
    members: tuple[Entry, ...]


@dataclass(frozen=True)
class Sense:
    """What a word is: one form of an entry of a (narrow) class."""

    entry: Entry
    form: int
    kind: WordClass


class Lexicon:
    """Classes of words, and the way back from a word to its class.

    Arguments:
        classes: by name; where a word is in several, the first counts.
        fixed: sets of words that are never exchanged, by name; a word with several forms stands as a tuple.
        kinds: what is a kind of what, by the kind's first name: its names ("fruit", "fruits") and its members.

    >>> lexicon = english()
    >>> lexicon.sense("keys").kind.name, lexicon.sense("keys").entry.forms
    ('object', ('key', 'keys'))
    >>> lexicon.is_a("keys", "noun"), lexicon.is_a("keys", "name")
    (True, False)
    """

    def __init__(self, classes: Mapping[str, WordClass], fixed: Mapping[str, tuple[tuple[str, ...], ...]], kinds: Mapping[str, Kind] | None = None):
        self.fixed, self.kinds = fixed, kinds or {}
        self._senses: dict[str, Sense] = {}
        for kind in classes.values():
            for entry in kind.entries:
                for form, word in enumerate(entry.forms):
                    self._senses.setdefault(word, Sense(entry, form, kind))
        self._narrow = tuple(classes.values())
        self._classes = {**classes, **_wider(classes), "year": _years()}
        if self.kinds:
            self._classes["member"] = WordClass("member", ("singular", "plural"), tuple(e for kind in self.kinds.values() for e in kind.members))
        self._kind_of = {form: kind for kind in self.kinds.values() for entry in kind.members for form in entry.forms}
        self._flat = {name: frozenset(form for forms in entries for form in forms) for name, entries in fixed.items()}

    def __getitem__(self, name: str) -> WordClass:
        if name not in self._classes:
            raise InputError(f"there is no class of words {name!r}; there are {', '.join(sorted(self._classes))}")
        return self._classes[name]

    @property
    def ordered(self) -> list[WordClass]:
        """The classes whose entries follow one another."""
        return [kind for kind in self._narrow if kind.order]

    @property
    def unordered(self) -> list[WordClass]:
        """All other classes that are not made of narrower ones."""
        return [kind for kind in self._narrow if not kind.order]

    def sense(self, word: str) -> Sense | None:
        """What a word is, exactly as it is spelled; `None` for words of no class."""
        return self._senses.get(word)

    def kind_of(self, word: str) -> "Kind | None":
        """What a thing is a kind of; `None` for words that are no member of any."""
        return self._kind_of.get(word)

    def is_a(self, word: str, name: str) -> bool:
        """Whether a word is in a class (narrow or wide) or among the fixed words of that name."""
        if name in self._flat:
            return word.lower() in self._flat[name]
        sense = self.sense(word)
        return sense is not None and name in (sense.kind.name, sense.kind.wider)

    def is_function_word(self, word: str) -> bool:
        """Whether a word is grammar rather than content; what holds no letter or digit counts as grammar, a capital letter such as A does not."""
        letter = len(word) == 1 and word.isupper() and word != "I"
        return not letter and (not any(c.isalnum() for c in word) or word.lower() in self._flat["function"])

    def fillers(self, sense: Sense) -> list[WordClass]:
        """The classes from which an entry may be exchanged, the narrowest first."""
        return [sense.kind] + ([self[sense.kind.wider]] if sense.kind.wider else [])


@functools.cache
def english() -> Lexicon:
    """The lexicon of ordinary English words that comes with sonde."""
    data = json.loads(resources.files("sonde.tasks").joinpath("lexicon.json").read_text(encoding="utf-8"))
    classes = {
        name: WordClass(
            name,
            tuple(c["forms"]),
            tuple(Entry(forms, name) for forms in _entries(c["entries"])),
            **{key: c[key] for key in ("wider", "order", "opposite") if key in c},
        )
        for name, c in data["classes"].items()
    }
    kinds = {names.split("/")[0]: _kind(names, lines) for names, lines in data["kinds"].items()}
    return Lexicon(classes, {name: _entries(lines) for name, lines in data["fixed"].items()}, kinds)


def _entries(lines: list[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(entry.split("/")) for line in lines for entry in line.split())


def _kind(names: str, lines: list[str]) -> Kind:
    # what has no plural of its own (iron) stands for itself
    return Kind(tuple(names.split("/")), tuple(Entry((forms[0], forms[-1]), "member") for forms in _entries(lines)))


def _years() -> WordClass:
    """The years 1002 to 2098 with their centuries, without those at a century's edges, before or after which there is no other year."""
    entries = tuple(Entry((f"{century}{year:02d}", str(century)), "year") for century in range(10, 21) for year in range(2, 99))
    return WordClass("year", ("year", "century"), entries, whole=False)


def _wider(classes: Mapping[str, WordClass]) -> dict[str, WordClass]:
    """The wide classes: everything that the narrow ones within them hold."""
    inside: dict[str, list[WordClass]] = {}
    for kind in classes.values():
        if kind.wider:
            inside.setdefault(kind.wider, []).append(kind)
    return {name: WordClass(name, parts[0].forms, tuple(e for part in parts for e in part.entries)) for name, parts in inside.items()}
