"""What a rule can speak of: for each kind of clause, what it looks at on a token, and how it is said.

| kind | looks at | said |
| --- | --- | --- |
| `token` | the token | on " Mary", " John" |
| `after` | the token before | after " to" |
| `pair` | both | on " go" after " to" |
| `ending`, `beginning` | the last, the first letters | on words ending in "ing" |
| `look` | case, digits, punctuation | on numbers |
| `script` | the writing system of its first letter | on Cyrillic script |
| `position` | where it stands in its text | at position 0 |
| `repeated` | whether it stood in the window before | on tokens that occurred before |

What a clause looks at is told from a window alone, as a reader of the description would.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

POSITIONS = 8
"""Positions beyond these are not spoken of."""

Key = tuple[str, ...]
Keys = list[list[Key]]
"""For each token what a kind sees there: several, one or nothing."""

QUOTED = r'"(?:[^"\\]|\\.)*"'
REPEATED = "on tokens that occurred before"
LOOKS = ("capitalised words", "words in capitals", "numbers", "punctuation", "white space", "small words")


@dataclass(frozen=True)
class Kind:
    """One kind of clause.

    Arguments:
        keys: what is seen on each token of a window, given their texts and where the first one stands.
        said: the items as words.
        heard: the items that words speak of; `None` where they are no clause of this kind.
        most: how many items a clause may list.
        general: whether it stands for many tokens; where it was seen on a few only, naming them says the same.
    """

    keys: Callable[[Sequence[str], int], Keys]
    said: Callable[[Sequence[Key]], str]
    heard: Callable[[str], list[Key] | None]
    most: int = 1
    general: bool = False


@dataclass(frozen=True)
class Clause:
    """A property of a token in its window.

    Arguments:
        kind: the name of its kind.
        items: what is looked for; it holds where one of them is seen.

    >>> clause = Clause("after", ((" to",),))
    >>> str(clause), clause.holds([" went", " to", " the"], 0)
    ('after " to"', [False, False, True])
    """

    kind: str
    items: tuple[Key, ...]

    def holds(self, tokens: Sequence[str], start: int) -> list[bool]:
        """Where it holds in a window.

        Arguments:
            tokens: their texts.
            start: where the first stands in its text.
        """
        wanted = set(self.items)
        return [not wanted.isdisjoint(seen) for seen in KINDS[self.kind].keys(tokens, start)]

    @staticmethod
    def heard(text: str) -> "Clause | None":
        """The clause that words speak of; `None` where they are none.

        Arguments:
            text: such as `after " to"`.
        """
        for name, kind in KINDS.items():
            items = kind.heard(text.strip())
            if items:
                return Clause(name, tuple(items))
        return None

    def __str__(self) -> str:
        return KINDS[self.kind].said(self.items)


def quoted(text: str) -> str:
    """A text in quotes, in one line, as it is read back.

    Arguments:
        text: anything.
    """
    return json.dumps(text, ensure_ascii=False)


@cache
def word(token: str) -> str:
    """A token as a word, without the space before it and without capitals.

    Arguments:
        token: its text.
    """
    return token.strip().lower()


@cache
def _look(token: str) -> list[Key]:
    bare = token.strip()
    letters = [c for c in bare if c.isalpha()]
    if not bare:
        return [("white space",)]
    if any(c.isdigit() for c in bare):
        return [("numbers",)]
    if not letters:
        return [("punctuation",)]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return [("words in capitals",)]
    return [("capitalised words",)] if letters[0].isupper() else [("small words",)]


@cache
def _script(token: str) -> list[Key]:
    letter = next((c for c in token if c.isalpha()), None)
    return [] if letter is None else [(unicodedata.name(letter, "unknown").split()[0].split("-")[0].capitalize(),)]


@cache
def _ends(token: str, last: bool) -> list[Key]:
    own = word(token)
    if not own.isalpha():
        return []
    # an ending leaves something of the word to end
    return [((own[-n:] if last else own[:n]),) for n in (4, 3, 2) if len(own) > n]


def _repeated(tokens: Sequence[str], start: int) -> Keys:
    seen: set[str] = set()
    found: Keys = []
    for token in tokens:
        found.append([("yes",)] if token in seen else [])
        seen.add(token)
    return found


def _pairs(tokens: Sequence[str], start: int) -> Keys:
    return [[] if i == 0 else [(tokens[i - 1], token)] for i, token in enumerate(tokens)]


def _said_pairs(items: Sequence[Key]) -> str:
    return "on " + " or ".join(f"{quoted(now)} after {quoted(before)}" for before, now in items)


def _heard_pairs(text: str) -> list[Key] | None:
    one = f"({QUOTED}) after ({QUOTED})"
    if not re.fullmatch(f"on {one}(?: or {one})*", text):
        return None
    return [(json.loads(before), json.loads(now)) for now, before in re.findall(one, text)]


def _list(before: str, keys: Callable[[Sequence[str], int], Keys], most: int, general: bool = False) -> Kind:
    """A kind that lists quoted texts after some words."""

    def heard(text: str) -> list[Key] | None:
        if not re.fullmatch(f"{before} {QUOTED}(?:, {QUOTED})*", text):
            return None
        return [(json.loads(item),) for item in re.findall(QUOTED, text)]

    return Kind(keys, lambda items: f"{before} " + ", ".join(quoted(item[0]) for item in items), heard, most, general)


def _plain(pattern: str, keys: Callable[[Sequence[str], int], Keys], said: Callable[[str], str], general: bool = True) -> Kind:
    """A kind that names one thing without quotes."""

    def heard(text: str) -> list[Key] | None:
        match = re.fullmatch(pattern, text)
        return None if match is None else [(match[1],)]

    return Kind(keys, lambda items: said(items[0][0]), heard, general=general)


KINDS: dict[str, Kind] = {
    "repeated": Kind(_repeated, lambda items: REPEATED, lambda text: [("yes",)] if text == REPEATED else None),
    "position": _plain(
        r"at position (\d+)",
        lambda tokens, start: [[(str(start + i),)] if start + i < POSITIONS else [] for i in range(len(tokens))],
        lambda item: f"at position {item}",
        general=False,
    ),
    "look": _plain(f"on ({'|'.join(LOOKS)})", lambda tokens, start: [_look(token) for token in tokens], lambda item: f"on {item}"),
    "script": _plain(r"on (\w+) script", lambda tokens, start: [_script(token) for token in tokens], lambda item: f"on {item} script"),
    "ending": _list("on words ending in", lambda tokens, start: [_ends(token, True) for token in tokens], 1, general=True),
    "beginning": _list("on words beginning with", lambda tokens, start: [_ends(token, False) for token in tokens], 1, general=True),
    "token": _list("on", lambda tokens, start: [[(token,)] for token in tokens], 8),
    "after": _list("after", lambda tokens, start: [[(tokens[i - 1],)] if i else [] for i in range(len(tokens))], 8),
    "pair": Kind(_pairs, _said_pairs, _heard_pairs, 3),
}
"""Simpler kinds first: of two that explain as much, the earlier is taken."""
