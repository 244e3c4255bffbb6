"""What may stand in a slot: a class of the lexicon, words that the file lists, or the words of another file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonde.results import InputError
from sonde.tasks.lexicon import Entry, Lexicon, WordClass
from sonde.tasks.own.document import Data, Document
from sonde.tasks.tables import words

KEYS = ("class", "words", "file", "forms", "form", "order", "tokens")


@dataclass(frozen=True)
class Slot:
    """A slot of a template.

    Arguments:
        kind: its words, with their forms.
        form: the form that stands in a frame unless the frame names one; "*" for one drawn at random.
        tokens: how many tokens its words may be; `None` for any number.
    """

    kind: WordClass
    form: str
    tokens: int | None = None

    @property
    def rule(self) -> str:
        """What its words must be, as a clause."""
        return f"of {self.tokens} token{'s' * (self.tokens > 1)} each" if self.tokens else "known to this tokenizer"

    @property
    def drawn(self) -> range:
        """The places of the forms that may be drawn."""
        first = 0 if self.form == "*" else self.kind.forms.index(self.form)
        return range(len(self.kind.forms)) if self.form == "*" else range(first, first + 1)


def slot_of(document: Document, name: str, data: Data, lexicon: Lexicon, folder: Path) -> Slot:
    """Read one slot.

    Arguments:
        document: the file, for its lines.
        name: the slot.
        data: what the file says of it: the name of a class, a list of words, or a mapping with `KEYS`.
        lexicon: where classes are looked up.
        folder: where files are looked up.

    Raises:
        InputError: what is said can't be understood, or holds no words.
    """
    path = ("slots", name)
    if isinstance(data, str):
        data = {"class": data}
    elif isinstance(data, list):
        data = {"words": data}
    unknown = [key for key in data if key not in KEYS]
    if unknown:
        document.refuse((*path, unknown[0]), f"unknown key {unknown[0]!r}: a slot has {', '.join(KEYS)}")
    sources = [key for key in ("class", "words", "file") if key in data]
    if len(sources) != 1:
        document.refuse(path, f"a slot has one source of words, and this one has {len(sources)}: give one of class, words and file")
    kind = _kind(document, name, data, sources[0], lexicon, folder)
    form = _text(document, (*path, "form"), data.get("form", kind.forms[0]))
    if form != "*" and form not in kind.forms:
        document.refuse((*path, "form"), f"there is no form {form!r}: its words have {', '.join(kind.forms)}, and * draws one of them")
    tokens = _text(document, (*path, "tokens"), data.get("tokens", "any"))
    if tokens != "any" and not (tokens.isdecimal() and int(tokens) > 0):
        document.refuse((*path, "tokens"), f"{tokens!r} is no number of tokens: give 1, 2, ... or any")
    return Slot(kind, form, None if tokens == "any" else int(tokens))


def _kind(document: Document, name: str, data: dict[str, Data], source: str, lexicon: Lexicon, folder: Path) -> WordClass:
    path: tuple[str, ...] = ("slots", name)
    if source == "class":
        extra = [key for key in ("forms", "order") if key in data]
        if extra:
            document.refuse((*path, extra[0]), f"a class of the lexicon has its own {extra[0]}: leave it out, or list the words yourself")
        try:
            return lexicon[_text(document, (*path, "class"), data["class"])]
        except InputError as error:
            document.refuse(path, f"{error}; your own words stand in a list: {name}: [first, second]")
    order = _text(document, (*path, "order"), data.get("order", ""))
    if order not in ("", "line", "circle"):
        document.refuse((*path, "order"), f"there is no order {order!r}: words stand in a line or in a circle")
    forms = tuple(_texts(document, (*path, "forms"), data.get("forms", ["word"])))
    if source == "file":
        try:
            found = words(folder / _text(document, (*path, "file"), data["file"]), forms if "forms" in data else ())
        except InputError as error:
            document.refuse((*path, "file"), str(error))
    else:
        listed = _texts(document, (*path, "words"), data["words"])
        found = [tuple(part.strip() for part in word.split("/")) if len(forms) > 1 else (word,) for word in listed]
    found = list(dict.fromkeys(found))
    if not found:
        document.refuse(path, "a slot without words: list at least two, so that one can be exchanged for another")
    for entry in found:
        if not all(entry):
            document.refuse(path, "one of its words is empty: write it out or take it out")
        if len(entry) != len(forms):
            counts = f"{'/'.join(entry)!r} has {len(entry)} forms and the slot {len(forms)} ({', '.join(forms)})"
            document.refuse(path, f"{counts}: write its forms with / between them")
    return WordClass(name, forms, tuple(Entry(entry, name) for entry in found), order=order)  # type: ignore[arg-type] # checked above


def _text(document: Document, path: Sequence[str | int], data: Data) -> str:
    if not isinstance(data, str):
        document.refuse(path, "a single word is expected here")
    return data


def _texts(document: Document, path: Sequence[str | int], data: Data) -> list[str]:
    """A list of texts; a single one counts as a list."""
    entries = [data] if isinstance(data, str) else data
    if not isinstance(entries, list):
        document.refuse(path, "a list of words is expected here")
    return [_text(document, (*path, i), entry) for i, entry in enumerate(entries)]
