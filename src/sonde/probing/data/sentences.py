"""Treebanks as they are kept: CoNLL-U, one word a line, ten columns, an empty line after each sentence (universaldependencies.org/format).

Words keep their place in the sentence's own text, so that any tokenizer can find them. A word that the text does not spell by itself (French "du" is
"de" and "le") has the place of what spells it, and says so.
"""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sonde.results import InputError, shown

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
EMPTY = "_"
SHOWN = 3  # sentences that are left out are named, so many at most

Span = tuple[int, int]


@dataclass(frozen=True)
class Word:
    """One word of a sentence.

    Arguments:
        form: as it is written.
        span: its first character in the sentence's text and the one after its last.
        own: whether the text spells it by itself; not, where it is one of several words behind one written form.
        upos, xpos, relation: its tags; empty where there is none.
        feats: its features, such as `{"Number": "Plur"}`.
        head: the word that it hangs on, counted from 0; -1 for the root, `None` where the treebank does not say.
    """

    form: str
    span: Span
    own: bool
    upos: str
    xpos: str
    relation: str
    feats: Mapping[str, str]
    head: int | None


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Arguments:
        text: as it is written.
        words: in order.
        name: the treebank's own name for it, or its file and line.
        document: the document that it is of; empty where the treebank does not say.
    """

    text: str
    words: tuple[Word, ...]
    name: str
    document: str = ""

    @property
    def heads(self) -> tuple[int, ...]:
        """For each word the number of the one that it hangs on; -1 for the root.

        Raises:
            InputError: the sentence has no tree.
        """
        found = tuple(word.head for word in self.words if word.head is not None)
        if len(found) < len(self.words):
            raise InputError(f"{self.name} has no tree: a word of it has no head")
        return found


def sentences(path: str | Path) -> tuple[list[Sentence], list[str]]:
    """Read a treebank.

    Arguments:
        path: a file in CoNLL-U, plain or compressed with gzip.

    Returns:
        Its sentences, and what is to be said: those that are not in the format are named by file and line, and left out.

    Raises:
        InputError: a file that can't be read, or holds no sentence.
    """
    file = Path(path).expanduser()
    found: list[Sentence] = []
    wrong: list[str] = []
    document = ""
    for start, lines in _blocks(file):
        comments = dict(_comment(line) for line in lines if line.startswith("#"))
        document = comments.get("newdoc id", document)
        try:
            found.append(_sentence(file, start, lines, comments, document))
        except InputError as error:
            wrong.append(str(error))
    if not found:
        raise InputError(wrong[0] if wrong else f"{file} holds no sentence: give a treebank in CoNLL-U")
    notes = [f"a sentence was left out: {message}" for message in wrong[:SHOWN]]
    return found, notes + ([f"{len(wrong) - SHOWN} more sentences were left out like these"] if len(wrong) > SHOWN else [])


def _blocks(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of each sentence, with the number of the first."""
    try:
        with gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open(encoding="utf-8-sig") as opened:
            held: list[str] = []
            # a form may hold a character that Python takes for the end of a line, which a newline alone is here
            for number, line in enumerate(opened, 1):
                text = line.rstrip("\r\n")
                if text:
                    held.append(text)
                elif held:
                    yield number - len(held), held
                    held = []
            if held:
                yield number - len(held) + 1, held
    except (OSError, EOFError) as error:
        raise InputError(f"{file} can't be read: {getattr(error, 'strerror', None) or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text in UTF-8: treebanks in CoNLL-U are") from None


def _comment(line: str) -> tuple[str, str]:
    name, _, value = line[1:].partition("=")
    return name.strip(), value.strip()


@dataclass(frozen=True)
class _Line:
    """One line of the table, and where it is."""

    place: str
    columns: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        value = self.columns[COLUMNS.index(name)]
        return "" if value == EMPTY else value

    @property
    def form(self) -> str:
        return self.columns[1]  # a written underscore is a form

    @property
    def glued(self) -> bool:
        """Whether no space follows."""
        return "SpaceAfter=No" in self["MISC"].split("|")


def _sentence(file: Path, start: int, lines: list[str], comments: Mapping[str, str], document: str) -> Sentence:
    rows = [_Line(f"{file}, line {start + i}", tuple(line.split("\t"))) for i, line in enumerate(lines) if not line.startswith("#")]
    for row in rows:
        if len(row.columns) != len(COLUMNS):
            first = shown(row.columns[0], 20)
            raise InputError(f"{row.place} has {len(row.columns)} columns with tabs between them, and CoNLL-U has 10 (the first is {first})")
    name = comments.get("sent_id") or f"{file}, line {start}"
    written, words = _forms(rows)
    text = comments.get("text") or "".join(row.form + ("" if row.glued else " ") for row, _ in written).rstrip()
    spans = _spans(text, written, words)
    return Sentence(text, tuple(_word(row, *spans[i], i, len(words)) for i, row in enumerate(words)), name, document)


def _forms(rows: list[_Line]) -> tuple[list[tuple[_Line, int]], list[_Line]]:
    """What is written, each with how many words it is; and the words. Empty nodes, such as 8.1, are not written."""
    written: list[tuple[_Line, int]] = []
    words: list[_Line] = []
    inside = 0
    for row in rows:
        number = row.columns[0]
        first, dash, last = number.partition("-")
        if "." in number:
            continue
        if dash:
            if not (first.isdecimal() and last.isdecimal()) or int(first) != len(words) + 1 or int(last) < int(first):
                raise InputError(f"{row.place} has the id {shown(number, 20)}, and word {len(words) + 1} is next")
            written.append((row, int(last) - int(first) + 1))
            inside = int(last)
            continue
        if number != str(len(words) + 1):
            raise InputError(f"{row.place} has the id {shown(number, 20)}, and word {len(words) + 1} is next")
        words.append(row)
        if len(words) > inside:
            written.append((row, 1))
    if not words:
        raise InputError(f"{rows[0].place if rows else 'a sentence'}: a sentence without a word")
    if inside > len(words):
        raise InputError(f"{words[-1].place}: the sentence ends inside a token of several words")
    return written, words


def _spans(text: str, written: list[tuple[_Line, int]], words: list[_Line]) -> list[tuple[Span, bool]]:
    """Each word's place in the text, and whether it is spelt there by itself."""
    spans: list[tuple[Span, bool]] = []
    end = 0
    for row, n in written:
        start = end + len(text[end:]) - len(text[end:].lstrip())
        end = start + len(row.form)
        form, follows = shown(row.form, 30), text[end : end + 1]
        if text[start:end] != row.form:
            raise InputError(f"{row.place} has the form {form}, and the sentence's text goes on with {shown(text[start : start + 20])}")
        if row.glued and follows.isspace():
            raise InputError(f"{row.place} says SpaceAfter=No, and a space follows {form} in the sentence's text")
        if not row.glued and follows and not follows.isspace():
            raise InputError(f"{row.place} does not say SpaceAfter=No, and {follows!r} follows {form} in the sentence's text")
        forms = [word.form for word in words[len(spans) : len(spans) + n]]
        apart = "".join(forms) == row.form
        for i, form in enumerate(forms):
            before = start + sum(map(len, forms[:i]))
            spans.append(((before, before + len(form)), True) if apart else ((start, end), False))
    return spans


def _word(row: _Line, span: Span, own: bool, number: int, n: int) -> Word:
    head = row["HEAD"]
    if head and (not head.isdecimal() or int(head) > n or int(head) == number + 1):
        raise InputError(f"{row.place} has the head {shown(head, 20)}: one of the {n} words other than itself, or 0 for the root")
    feats = dict(pair.partition("=")[::2] for pair in row["FEATS"].split("|") if pair)
    return Word(row.form, span, own, row["UPOS"], row["XPOS"], row["DEPREL"], feats, int(head) - 1 if head else None)
