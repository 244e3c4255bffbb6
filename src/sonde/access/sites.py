"""How a place in a network is named.

    blocks.9.attn.z[head=6, pos=-1]      a name of the vocabulary, with a selection along its named axes
    blocks.*.resid_post                  a glob: several places at once
    layer3.0.conv2:out[channel=0:8]      any other module, by its path and its input or output

A selection names axes, never their order. A whole number picks one entry and drops the axis (as NumPy does), a slice or a list keeps it.
Positions count the tokens of each row, without its padding: `pos=-1` is each row's last real token.
"""

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Union

from sonde.results import InputError, UnknownSite

Index = int | slice | tuple[int, ...]

_SITE = re.compile(r"\s*([^\[\]\s]+)\s*(?:\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\])?\s*")
_PART = re.compile(r"\s*([a-z_]+)\s*=\s*(\[[^\]]*\]|[^,]+?)\s*(?:,|$)")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?")


@dataclass(frozen=True)
class Site:
    """A named place in the computation, with an optional selection along its named axes.

    Arguments:
        name: a name of the vocabulary, or a module path with `:in` or `:out`; may hold `*`.
        select: `(axis, index)` pairs; an index is a whole number, a slice, or a tuple of whole numbers.

    >>> Site.parse("blocks.9.attn.z[head=6, pos=-1]")
    Site('blocks.9.attn.z[head=6, pos=-1]')
    >>> str(Site.parse("blocks.2.mlp.post").at(pos=slice(1, 4)))
    'blocks.2.mlp.post[pos=1:4]'
    """

    name: str
    select: tuple[tuple[str, Index], ...] = ()

    @staticmethod
    def parse(site: Union[str, "Site"]) -> "Site":
        """Read a site from its text; raises `UnknownSite` where the text does not follow the grammar."""
        if isinstance(site, Site):
            return site
        found = _SITE.fullmatch(site)
        if not found:
            raise UnknownSite(f"{site!r} is not a site: write a name and, if wanted, a selection, as in 'blocks.9.attn.z[head=6, pos=-1]'")
        name, body = found.groups()
        if body is None:
            return Site(name)
        parts, end = [], 0
        while end < len(body) and (part := _PART.match(body, end)):
            parts.append((part[1], _index(part[2], site)))
            end = part.end()
        if not parts or body[end:].strip():
            raise UnknownSite(f"{site!r}: the selection {body!r} is not understood; write axis=index pairs, as in [head=6, pos=0:4] or [pos=[1,3]]")
        axes = [axis for axis, _ in parts]
        if len(set(axes)) < len(axes):
            raise UnknownSite(f"{site!r}: an axis is selected twice")
        return Site(name, tuple(parts))

    def at(self, **select: int | slice | Sequence[int]) -> "Site":
        """The same place with a further selection: `site.at(head=6, pos=-1)`."""
        chosen = dict(self.select)
        for axis, index in select.items():
            if axis in chosen:
                raise InputError(f"{self} already selects along {axis!r}")
            chosen[axis] = index if isinstance(index, int | slice) else tuple(int(i) for i in index)
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


class Sites(Sequence[Site]):
    """A selection of sites that can be printed, counted and refined before it is used.

    >>> sites = Sites([Site("blocks.0.attn.z"), Site("blocks.1.attn.z")])
    >>> [str(s) for s in sites.each(head=range(2))]
    ['blocks.0.attn.z[head=0]', 'blocks.0.attn.z[head=1]', 'blocks.1.attn.z[head=0]', 'blocks.1.attn.z[head=1]']
    """

    def __init__(self, sites: Iterable[Site]):
        self._sites = tuple(sites)

    def each(self, **axes: Iterable[int]) -> "Sites":
        """One site for every combination of the given entries: `sites.each(head=range(12))`."""
        sites = list(self._sites)
        for axis, entries in axes.items():
            entries = list(entries)
            sites = [site.at(**{axis: entry}) for site in sites for entry in entries]
        return Sites(sites)

    def at(self, **select: int | slice | Sequence[int]) -> "Sites":
        """Every site with a further selection."""
        return Sites(site.at(**select) for site in self._sites)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return Sites(self._sites[index]) if isinstance(index, slice) else self._sites[index]

    def __len__(self) -> int:
        return len(self._sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites)

    def __repr__(self) -> str:
        shown = [str(site) for site in self._sites[:20]]
        more = [f"... {len(self) - 20} more"] if len(self) > 20 else []
        return f"{len(self)} sites\n" + "\n".join(shown + more)


def is_glob(name: str) -> bool:
    return "*" in name or "?" in name


def expand(sites: "str | Site | Iterable[str | Site]", names: Sequence[str]) -> list[Site]:
    """The sites that are meant, globs replaced by the names that match, in the model's order, without repeats."""
    given: Iterable[str | Site] = [sites] if isinstance(sites, str | Site) else sites
    found: dict[Site, None] = {}
    for item in given:
        site = Site.parse(item)
        if not is_glob(site.name):
            found[site] = None
            continue
        # `*` stands for one dotted part: "blocks.*.attn.z" must not reach into longer names
        depth = site.name.count(".")
        matches = [name for name in names if name.count(".") == depth and fnmatch.fnmatchcase(name, site.name)]
        if not matches:
            raise UnknownSite(f"{str(site)!r} matches no site of this model; nearest: {nearest(site.name, names)}")
        for name in matches:
            found[Site(name, site.select)] = None
    return list(found)


def nearest(name: str, names: Iterable[str], n: int = 3) -> str:
    """The most similar known names, as text for an error message."""
    close = difflib.get_close_matches(name, list(names), n=n, cutoff=0.3)
    return ", ".join(repr(c) for c in close) if close else "none is similar"


def _index(text: str, site: str) -> Index:
    text = text.strip()
    try:
        if text.startswith("["):
            return tuple(int(part) for part in text[1:-1].split(","))
        if found := _SLICE.fullmatch(text):
            low, high = found.groups()
            return slice(None if low is None else int(low), None if high is None else int(high))
        return int(text)
    except ValueError:
        raise UnknownSite(f"{site!r}: {text!r} is not an index; use a whole number, a slice such as 0:4, or a list such as [1,3]") from None


def _show(index: Index) -> str:
    if isinstance(index, slice):
        return f"{'' if index.start is None else index.start}:{'' if index.stop is None else index.stop}"
    if isinstance(index, tuple):
        return f"[{','.join(str(i) for i in index)}]"
    return str(index)
