"""Several sites as one value: it can be printed, counted and refined before it is used.

The printed table says what each site means and where it is; the same site of several blocks takes one line.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from sonde.access.sites import Choice, Site
from sonde.results import InputError, shown


@dataclass(frozen=True)
class Place:
    """What a table of sites says about one of them.

    Arguments:
        axes: the names of its axes.
        meaning: one line.
        where: the module and its port.
    """

    axes: str
    meaning: str
    where: str


class Sites(Sequence[Site]):
    """A selection of sites that can be printed, counted and refined before it is used.

    Arguments:
        sites: the sites.
        place: from a site's name to what the printed table says about it; without it the table lists names only.

    >>> sites = Sites([Site("blocks.0.attn.z"), Site("blocks.1.attn.z")])
    >>> [str(s) for s in sites.each(head=range(2))]
    ['blocks.0.attn.z[head=0]', 'blocks.0.attn.z[head=1]', 'blocks.1.attn.z[head=0]', 'blocks.1.attn.z[head=1]']
    >>> sites
    2 sites
    blocks.{0,1}.attn.z
    """

    SHOWN = 60  # lines of the printed table

    def __init__(self, sites: Iterable[Site], place: Callable[[str], Place] | None = None):
        self._sites, self._place = tuple(sites), place

    def each(self, **axes: Iterable[int | str]) -> "Sites":
        """One site for every combination of the given entries: `sites.each(head=range(12))`."""
        sites = list(self._sites)
        for axis, entries in axes.items():
            if not isinstance(entries, Iterable):
                raise InputError(f"{axis}={shown(entries)}: give the entries to go through, such as range(12), or use at() for one")
            entries = list(entries)
            sites = [site.at(**{axis: entry}) for site in sites for entry in entries]
        return Sites(sites, self._place)

    def at(self, **select: Choice) -> "Sites":
        """Every site with a further selection."""
        return Sites((site.at(**select) for site in self._sites), self._place)

    @overload
    def __getitem__(self, index: int) -> Site: ...
    @overload
    def __getitem__(self, index: slice) -> "Sites": ...
    def __getitem__(self, index: int | slice) -> "Site | Sites":
        return Sites(self._sites[index], self._place) if isinstance(index, slice) else self._sites[index]

    def __len__(self) -> int:
        return len(self._sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites)

    def __repr__(self) -> str:
        lines: dict[str, list[Site]] = {}
        for site in self._sites:  # the same site of several blocks is one line
            lines.setdefault(re.sub(r"\b\d+\b", "", site.name, count=1) + str(site)[len(site.name) :], []).append(site)
        table = [(_blocks(group), self._place and self._place(group[0].name)) for group in lines.values()]
        shown = [(name, place.axes, place.meaning, place.where) if place else (name,) for name, place in table[: self.SHOWN]]
        if self._place:
            shown.insert(0, ("site", "axes", "meaning", "where"))
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        more = [f"... {len(table) - self.SHOWN} more lines"] if len(table) > self.SHOWN else []
        rows = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
        return "\n".join([f"{len(self)} sites", *rows, *more])


def _blocks(group: Sequence[Site]) -> str:
    """One name for the same site of several blocks: `blocks.{0,1}.attn.z`."""
    numbers = [re.search(r"\b\d+\b", site.name) for site in group]
    if len(group) == 1 or not all(numbers):
        return str(group[0])
    found = [int(number[0]) for number in numbers if number]
    run = found == list(range(found[0], found[-1] + 1)) and len(found) > 2
    text = f"{found[0]}..{found[-1]}" if run else ",".join(map(str, found))
    return re.sub(r"\b\d+\b", f"{{{text}}}", str(group[0]), count=1)
