"""How a place in a network is named.

    blocks.9.attn.z[head=6, pos=-1]      a name of the vocabulary, with a selection along its named axes
    blocks.9.attn.z[pos='cabinet']       a position by the text of its token
    blocks.9.attn.z[pos=subject]         positions by the name of a span of the inputs
    blocks.*.resid_post                  a glob: several places at once
    layer3.0.conv2:out[channel=0:8]      any other module, by its path and its input or output

A selection names axes, never their order. A whole number picks one entry and drops the axis (as NumPy does), and so does a text; a slice, a
list or a span keeps it. Positions count the tokens of each row, without its padding: `pos=-1` is each row's last real token.
"""

import difflib
import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import SupportsIndex, Union

from sonde.access.translation import is_foreign
from sonde.results import InputError, SiteUnavailable, UnknownSite, shown


@dataclass(frozen=True)
class Span:
    """Positions by name, as `spans=` of a verb tells them for each row; written as a bare word, such as `pos=subject`.

    Arguments:
        name: a letter first, then letters, digits, underscores, and single spaces or hyphens between.

    >>> str(Site.parse("embed").at(pos=Span("subject")))
    'embed[pos=subject]'
    """

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(_WORD, self.name):
            raise InputError(f"{self.name!r} can't name a span: begin with a letter, go on with letters, digits, underscores and single spaces")


Index = int | str | Span | slice | tuple[int, ...]
Choice = SupportsIndex | str | Span | slice | Iterable[SupportsIndex]  # what a user may give for an `Index`

_WORD = r"[^\W\d_]\w*(?:[ -]\w+)*"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "\\": "\\"}
_TEXT = r"""'(?:[^'\\]|\\[nrt'"\\])*'|"(?:[^"\\]|\\[nrt'"\\])*\""""
_SITE = re.compile(rf"""\s*([^\[\]\s]+)\s*(?:\[((?:{_TEXT}|\[[^\[\]'"]*\]|[^\[\]'"])*)\])?\s*""")
_PART = re.compile(rf"""\s*([a-z_][a-z_0-9]*)\s*=\s*({_TEXT}|\[[^\[\]'"]*\]|{_WORD}|[^\s,\[\]'"]+)\s*(?:,|$)""")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?")


@dataclass(frozen=True)
class Site:
    """A named place in the computation, with an optional selection along its named axes.

    Arguments:
        name: a name of the vocabulary, or a module path with `:in` or `:out`; may hold `*`.
        select: `(axis, index)` pairs; an index is a whole number, a slice, a tuple of whole numbers, or for positions a `Span` or the
            text of a token.

    >>> Site.parse("blocks.9.attn.z[head=6, pos=-1]")
    Site('blocks.9.attn.z[head=6, pos=-1]')
    >>> str(Site.parse("blocks.2.mlp.post").at(pos=slice(1, 4)))
    'blocks.2.mlp.post[pos=1:4]'
    >>> str(Site.parse("blocks.2.mlp.post[pos='cabinet']"))
    "blocks.2.mlp.post[pos='cabinet']"
    """

    name: str
    select: tuple[tuple[str, Index], ...] = ()

    @staticmethod
    def parse(site: Union[str, "Site"]) -> "Site":
        """Read a site from its text; raises `UnknownSite` where the text does not follow the grammar."""
        if isinstance(site, Site):
            return site
        if not isinstance(site, str):
            raise UnknownSite(f"{shown(site)} is no site: give its name as a text, as in 'blocks.9.attn.z[head=6, pos=-1]'")
        found = _SITE.fullmatch(site)
        if not found:
            raise UnknownSite(f"{shown(site)} is not a site: write a name and, if wanted, a selection, as in 'blocks.9.attn.z[head=6, pos=-1]'")
        name, body = found.groups()
        if body is None:
            return Site(name)
        parts, end = [], 0
        while end < len(body) and (part := _PART.match(body, end)):
            parts.append((part[1], _index(part[2], site)))
            end = part.end()
        if not parts or body[end:].strip():
            raise UnknownSite(
                f"{shown(site)}: the selection {shown(body)} is not understood; write axis=index pairs, as in [head=6, pos=0:4] or [pos=[1,3]]"
            )
        axes = [axis for axis, _ in parts]
        if len(set(axes)) < len(axes):
            raise UnknownSite(f"{shown(site)}: an axis is selected twice")
        return Site(name, tuple(parts))

    def at(self, **select: Choice) -> "Site":
        """The same place with a further selection: `site.at(head=6, pos=-1)`.

        Raises:
            InputError: the axis is selected already, or the selection is none.
        """
        chosen = dict(self.select)
        for axis, index in select.items():
            if axis in chosen:
                raise InputError(f"{self} already selects along {axis!r}")
            chosen[axis] = _given(index, axis)
        return replace(self, select=tuple(chosen.items()))

    def whole(self) -> "Site":
        """The same place without its selection."""
        return Site(self.name)

    def __str__(self) -> str:
        if not self.select:
            return self.name
        return f"{self.name}[{', '.join(f'{axis}={_show(index)}' for axis, index in self.select)}]"

    def __repr__(self) -> str:
        return f"Site({str(self)!r})"

    def __hash__(self) -> int:  # slices are not hashable before Python 3.12
        return hash(str(self))


def is_glob(name: str) -> bool:
    """Whether a name stands for several."""
    return "*" in name or "?" in name


def expand(sites: "str | Site | Iterable[str | Site]", names: Sequence[str], why_not: Callable[[str], str | None] = lambda _: None) -> list[Site]:
    """The sites that are meant, globs replaced by the names that match, in the model's order, without repeats.

    Arguments:
        sites: names, globs, sites.
        names: the model's.
        why_not: why the model has no site of this name, where there is a reason.

    Raises:
        UnknownSite: a glob that matches nothing. SiteUnavailable: one that the vocabulary knows and the model has not.
    """
    given: Iterable[str | Site] = [sites] if isinstance(sites, str | Site) else sites
    if not isinstance(given, Iterable):
        raise UnknownSite(f"{shown(given)} names no sites: give a name, a glob such as 'blocks.*.attn.z', or a list of them")
    found: dict[Site, None] = {}
    for item in given:
        site = Site.parse(item)
        if not is_glob(site.name):
            found[site] = None
            continue
        # `*` stands for one dotted part: "blocks.*.attn.z" must not reach into longer names
        depth = site.name.count(".")
        foreign = is_foreign(site.name)  # "blocks.*.attn.*" means each place once
        matches = [name for name in names if name.count(".") == depth and fnmatch.fnmatchcase(name, site.name) and is_foreign(name) == foreign]
        if not matches:
            if reason := why_not(site.name):
                raise SiteUnavailable(reason)
            raise UnknownSite(f"{str(site)!r} matches no site of this model; nearest: {nearest(site.name, names)}")
        for name in matches:
            found[Site(name, site.select)] = None
    return list(found)


def nearest(name: str, names: Iterable[str], n: int = 3) -> str:
    """The most similar known names, as text for an error message."""
    close = difflib.get_close_matches(name, list(names), n=n, cutoff=0.3)
    return ", ".join(repr(c) for c in close) if close else "none is similar"


def _given(index: Choice, axis: str) -> Index:
    """A selection as a user gives it, as an `Index`."""
    if isinstance(index, str | slice | Span):
        return index
    try:
        chosen: Index = operator.index(index) if isinstance(index, SupportsIndex) else tuple(operator.index(i) for i in index)
    except TypeError:
        raise InputError(
            f"{index!r} selects nothing along {axis!r}: give a whole number, a slice, a list of whole numbers, a `Span`, or a token's text"
        ) from None
    if chosen == ():
        raise InputError(f"the selection along {axis!r} is empty: give at least one entry")
    return chosen


def _index(text: str, site: str) -> Index:
    if text[0] in "'\"":
        return re.sub(r"\\(.)", lambda found: _ESCAPES[found[1]], text[1:-1])
    if re.fullmatch(_WORD, text):
        return Span(text)
    try:
        if text.startswith("["):
            return tuple(int(part) for part in text[1:-1].split(","))
        if found := _SLICE.fullmatch(text):
            parts = [None if part is None else int(part) for part in found.groups()]
            if parts[2] != 0:
                return slice(*parts)
        return int(text)
    except ValueError:
        raise UnknownSite(
            f"{shown(site)}: {shown(text)} is not an index; use a whole number, a slice such as 0:4, a list such as [1,3], a span's name, "
            "or a text in quotes"
        ) from None


def _show(index: Index) -> str:
    if isinstance(index, str):
        shown = {character: f"\\{letter}" for letter, character in _ESCAPES.items() if character != '"'}
        return "'" + "".join(shown.get(character, character) for character in index) + "'"
    if isinstance(index, Span):
        return index.name
    if isinstance(index, slice):
        parts = [index.start, index.stop] + ([index.step] if index.step is not None else [])
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(index, tuple):
        return f"[{','.join(str(i) for i in index)}]"
    return str(index)
