"""Texts with slots.

`{slot}` is its word, `{slot/form}` another form of it, `{slot+1}` what follows it in an ordered list, and `{slot!a}` puts a or an before it; `{{` and
`}}` are braces. Frames, answers, wrong answers and what a counterfactual writes are all phrases, so one grammar serves the whole file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sonde.results import InputError
from sonde.tasks.lexicon import Entry, WordClass
from sonde.tasks.prompt import Word

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_TERM = re.compile(r"(?P<slot>\w+)(?:\+(?P<steps>\d+))?(?:/(?P<form>[\w -]+))?(?P<article>!a)?")

Place = tuple[str, int]
"""A slot and the how-manieth of its places in a frame, from 1 on."""


@dataclass(frozen=True)
class Term:
    """One `{...}`: a slot's word, or what is made of it."""

    slot: str
    steps: int = 0
    form: str = ""
    article: bool = False


@dataclass(frozen=True)
class Drawn:
    """What was drawn for a slot: an entry of its list and the form that it comes in."""

    kind: WordClass
    entry: Entry
    form: int

    def word(self, term: Term) -> str | None:
        """The word that a term makes of it; `None` beyond the ends of an ordered list."""
        entry = self.kind.after(self.entry, term.steps) if term.steps else self.entry
        return None if entry is None else entry.forms[self.kind.forms.index(term.form) if term.form else self.form]


Draw = Mapping[str, Drawn]


@dataclass(frozen=True)
class Phrase:
    """A text with slots.

    Arguments:
        parts: pieces of text and terms, in their order.
    """

    parts: tuple[str | Term, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        """The slots that it takes, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Term))

    def filled(self, draw: Draw, written: Mapping[Place, str] | None = None) -> tuple[str, dict[Place, Word]] | None:
        """The text, and where each slot's word stands in it.

        Arguments:
            draw: what was drawn for each slot.
            written: words that stand at some places instead.

        Returns:
            `None` where a slot asks for what comes after the end of its list.
        """
        text, places = "", dict[Place, Word]()
        for part in self.parts:
            if isinstance(part, str):
                text += part
                continue
            place = part.slot, 1 + sum(slot == part.slot for slot, _ in places)
            word = (written or {}).get(place) or draw[part.slot].word(part)
            if word is None:
                return None
            text += f"{'an' if word[0].lower() in 'aeiou' else 'a'} " if part.article else ""
            places[place] = Word(word, len(text), len(text) + len(word))
            text += word
        return text, places


def parse(text: str) -> Phrase:
    """Read a phrase.

    Arguments:
        text: the text, with its slots in braces.

    Raises:
        InputError: braces that are written another way.

    >>> parse("{d}, {d+1/plural} {{x}}").terms
    (Term(slot='d', steps=0, form='', article=False), Term(slot='d', steps=1, form='plural', article=False))
    """
    parts: list[str | Term] = []
    end = 0
    for found in _TOKEN.finditer(text):
        parts.append(text[end : found.start()])
        end = found.end()
        if found[0] in ("{{", "}}"):
            parts.append(found[0][0])
            continue
        term = _TERM.fullmatch(found[1] or "")
        if term is None:
            raise InputError(f"{found[0]!r} in {text!r} is no slot: write {{slot}}, {{slot/form}}, {{slot+1}} or {{slot!a}}, and {{{{ for a brace")
        parts.append(Term(term["slot"], int(term["steps"] or 0), term["form"] or "", bool(term["article"])))
    return Phrase(tuple(part for part in (*parts, text[end:]) if part))
