"""What a document of the small world is: its text, the latent truth behind it, and the one word in it that can be predicted.

A frame names the part that a word plays by marking it, `⟦giver|John⟧`; `document` takes the marks out again and keeps where the words stood.
So every span points at its word by construction, however the sentence was put together.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Span = tuple[int, int]
"""First character and the one after the last, counted in the document's text."""

Number = Literal["singular", "plural"]
Gender = Literal["female", "male"]
Tense = Literal["past", "present", "future"]
Script = Literal["Latin", "Cyrillic", "Greek", "Arabic"]


@dataclass(frozen=True)
class Truth:
    """What a document says, as data. What does not apply is None or empty."""

    kind: str = ""
    """Which form of its family the document has: `newcomer`, `relative clause`, ..."""
    givers: tuple[str, ...] = ()
    """Who gives, in the order of the giving sentence."""
    receivers: tuple[str, ...] = ()
    """Who gets; for a riddle ("The one missing was") the person asked for."""
    receiver_first: bool | None = None
    """Whether the receiver was named before the giver."""
    subject: str | None = None
    """The noun that the verb agrees with, or the person whom a pronoun takes up."""
    number: Number | None = None
    """Of the subject."""
    distractor_number: Number | None = None
    """Of the noun between subject and verb."""
    gender: Gender | None = None
    """Of the person whom the answer names or takes up, or of the subject where the verb agrees with it."""
    tense: Tense | None = None
    """Of the main verb."""
    script: Script = "Latin"
    """What the text is written in."""
    fact: tuple[str, str, str] | None = None
    """Subject, relation and object of what the answer completes: `("France", "capital", "Paris")`."""
    copied: tuple[str, ...] = ()
    """Words that are said again in the same order."""
    wrong: str | None = None
    """The answer's natural opposite, with the space before it: the other number, gender, tense or person."""
    spans: Mapping[str, Span] = field(default_factory=lambda: MappingProxyType({}))
    """Where the words stand that play a part, by part; the second word of the same part is `giver_2`; `answer` is the predictable word."""


@dataclass(frozen=True)
class Document:
    """A short text that carries its truth; `document` makes one from a marked text."""

    family: str
    """Which phenomenon it is about."""
    prompt: str
    """The text up to the predictable word; the whole text where none is singled out."""
    answer: str = ""
    """The predictable word with the space before it, as it stands in the text; empty where none is singled out."""
    ending: str = ""
    """What follows the answer."""
    truth: Truth = field(default_factory=Truth)
    """What the text says."""

    @property
    def text(self) -> str:
        """The whole document."""
        return self.prompt + self.answer + self.ending


Family = Callable[..., Document]
"""Draws one training document from a `random.Random`; with `held=True`, where it takes that, a combination that training never shows."""


_MARK = re.compile(r"⟦(\w+)\|(.*?)⟧")


def mark(part: str, word: str) -> str:
    """The word, marked as playing this part."""
    return f"⟦{part}|{word}⟧"


def document(family: str, prompt: str, answer: str = "", ending: str = "", **truth: Any) -> Document:
    """Make a document of marked text.

    Arguments:
        family: which phenomenon it is about.
        prompt: the marked text up to the predictable word, or the whole text.
        answer: the predictable word with the space before it, not marked.
        ending: the marked text after it.
        truth: fields of `Truth`, without the spans.

    Returns:
        The document, its marks taken out and kept as spans.

    >>> toy = document("toy", f"{mark('giver', 'John')} gave {mark('gift', 'a cup')} to", " Mary", ".", givers=("John",))
    >>> toy.text, dict(toy.truth.spans)
    ('John gave a cup to Mary.', {'giver': (0, 4), 'gift': (10, 15), 'answer': (19, 23)})
    """
    spans: dict[str, Span] = {}
    prompt, end = _unmark(prompt, 0, spans)
    if answer:
        spans["answer"] = (end + len(answer) - len(answer.lstrip()), end + len(answer))
    ending, _ = _unmark(ending, end + len(answer), spans)
    return Document(family, prompt, answer, ending, Truth(**truth, spans=MappingProxyType(spans)))


def _unmark(text: str, start: int, spans: dict[str, Span]) -> tuple[str, int]:
    """The text without marks and where it ends; what was marked is added to the spans."""
    pieces = _MARK.split(text)  # plain, part, word, plain, part, word, ..., plain
    end, plain = start, []
    for i in range(0, len(pieces), 3):
        plain.append(pieces[i])
        end += len(pieces[i])
        if i + 2 < len(pieces):
            part, word = pieces[i + 1 : i + 3]
            name, count = part, 1
            while name in spans:
                count += 1
                name = f"{part}_{count}"
            spans[name] = (end, end + len(word))
            plain.append(word)
            end += len(word)
    return "".join(plain), end
