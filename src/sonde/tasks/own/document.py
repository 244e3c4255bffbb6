"""A YAML file as plain data that knows its lines, so that every mistake in it can be shown its place.

Only texts, lists and mappings are read: every value stays as it is written ("no", "1990" and "on" are words here), and nothing is ever executed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import yaml

from sonde.results import InputError

Data = str | list["Data"] | dict[str, "Data"]
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """What a file says, and where.

    Arguments:
        name: the file's name, as messages show it; empty for data that come from no file.
        data: texts, lists and mappings.
        lines: from a path of keys to the line on which its value begins, counted from 1.
    """

    name: str
    data: Data
    lines: dict[Keys, int] = field(default_factory=dict)

    def refuse(self, path: Sequence[str | int], message: str) -> NoReturn:
        """Raise an `InputError` that names the place.

        Arguments:
            path: the keys that lead to the place.
            message: what is wrong and the way out.
        """
        raise InputError(f"{self.place(path)}: {message}")

    def place(self, path: Sequence[str | int]) -> str:
        """A place as messages name it.

        Arguments:
            path: the keys that lead to it.

        >>> Document("my.yaml", {}, {("slots", "io"): 3}).place(("slots", "io"))
        'my.yaml, line 3 (slots: io)'
        """
        known = next((tuple(path[:n]) for n in range(len(path), -1, -1) if tuple(path[:n]) in self.lines), None)
        where = f"{self.name}, line {self.lines[known]}" if known is not None else self.name
        keys = ": ".join(f"entry {key + 1}" if isinstance(key, int) else key for key in path)
        return f"{where} ({keys})" if where and keys else where or keys or "the template"


def read(file: Path) -> Document:
    """Read a YAML file.

    Arguments:
        file: the file.

    Raises:
        InputError: it can't be read, or it is no YAML of texts, lists and mappings.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} can't be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}") from None
    return parse(text, file.name)


def parse(text: str, name: str) -> Document:
    """Read YAML from a text.

    Arguments:
        text: the YAML.
        name: what messages call it.

    Raises:
        InputError: it is no YAML of texts, lists and mappings.

    >>> parse("slots: {answer: [yes, no]}", "my.yaml").data
    {'slots': {'answer': ['yes', 'no']}}
    """
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise InputError(f"{name}{where}: this is no YAML: {problem}; put texts with a colon, a brace or a # in quotes") from None
    if root is None:
        raise InputError(f"{name} is empty: `sonde tasks new {name}` writes one that works")
    document = Document(name, "")
    return Document(name, _data(root, (), document, set()), document.lines)


def _data(node: yaml.Node, path: Keys, document: Document, seen: set[int]) -> Data:
    """A node as plain data; the document's lines are filled on the way."""
    document.lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in seen:
        document.refuse(path, "anchors and aliases (& and *) are not read here: write the value out")
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_data(entry, (*path, i), document, seen) for i, entry in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)
    found: dict[str, Data] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            document.refuse(path, f"line {key.start_mark.line + 1} has a key that is no text: put it in quotes")
        if key.value in found:
            document.refuse(path, f"{key.value!r} stands here twice, again in line {key.start_mark.line + 1}: keep one")
        document.lines[*path, key.value] = key.start_mark.line + 1
        found[key.value] = _data(value, (*path, key.value), document, seen)
    return found
