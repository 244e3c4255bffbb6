"""Selections along named axes, applied to tensors: taking the selected part, and putting another in its place.

Positions count each row's real tokens, so in a padded batch `pos=-1` is another column in every row. `Rows` holds where each row's tokens lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access.sites import Index, Site, Span
from sonde.results import InputError, SiteUnavailable, UnknownSite

POSITION_AXES = ("pos", "query", "key")


@dataclass(frozen=True)
class Rows:
    """Where the real tokens of each row of a padded batch lie.

    Arguments:
        starts: the column of each row's first real token.
        lengths: how many real tokens each row has.
        tokens: the text of each row's tokens; empty where there is no tokenizer.
        ids: the token ids, batch pos, padding included; `None` where they are not known.
        spans: named positions: a name to the positions in each row.
        cached: how many columns at the beginning are not computed again, because their keys and values are kept: most tensors begin after them.

    >>> rows = Rows((0, 0), (3, 2), (("The", " keys", " are"), ("The", " key")))
    >>> rows.columns(0, "keys", Site("embed")), rows.columns(1, -1, Site("embed"))
    ([1], [1])
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    tokens: tuple[tuple[str, ...], ...] = ()
    ids: Tensor | None = field(default=None, repr=False, compare=False)
    spans: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict, compare=False)
    cached: int = 0

    @property
    def ragged(self) -> bool:
        """Whether a position is another column in different rows."""
        return len(set(self.starts)) > 1 or len(set(self.lengths)) > 1

    @property
    def end(self) -> int:
        """The number of columns that the rows need."""
        return max(self.last) + 1

    @property
    def last(self) -> tuple[int, ...]:
        """The column of each row's last real token."""
        return tuple(start + length - 1 for start, length in zip(self.starts, self.lengths, strict=True))

    @property
    def last_computed(self) -> tuple[int, ...]:
        """The same in tensors that begin after the cached columns."""
        return tuple(column - self.cached for column in self.last)

    def alike(self, other: "Rows") -> bool:
        """Whether the columns of both mean the same positions; a single row stands for all."""
        if self.ragged or other.ragged:
            return (self.starts, self.lengths) == (other.starts, other.lengths)
        return (self.starts[0], self.lengths[0]) == (other.starts[0], other.lengths[0])

    def part(self, rows: slice) -> "Rows":
        """Some of the rows."""
        return replace(
            self, starts=self.starts[rows], lengths=self.lengths[rows], tokens=self.tokens[rows], ids=None if self.ids is None else self.ids[rows],
            spans={name: positions[rows] for name, positions in self.spans.items()},
        )  # fmt: skip

    def columns(self, row: int, index: Index, site: Site) -> list[int]:
        """The columns that an index along positions means in one row.

        Raises:
            InputError: a position outside the row; a token's text that it does not hold, or holds more than once.
        """
        start, length = self.starts[row], self.lengths[row]
        if isinstance(index, slice):
            return [start + i for i in range(length)[index]]
        for i in (entries := self._entries(row, index, site)):
            if not -length <= i < length:
                raise InputError(f"{site}: position {i} is outside row {row}, which has {length} tokens (0 to {length - 1}, or -{length} to -1)")
        return [start + (i % length) for i in entries]

    def places(self, row: int, text: str) -> list[range]:
        """Where consecutive tokens of a row spell a text; a token keeps the space before it, which whoever names a word need not write."""
        tokens, found = self.tokens[row], []
        for first, token in enumerate(tokens):
            if not token or (token.isspace() and not text[:1].isspace()):  # a text begins where its first character is
                continue
            spelt = ""
            for last in range(first, len(tokens)):
                spelt += tokens[last]
                if text in (spelt, spelt.lstrip(" ")):
                    found.append(range(first, last + 1))
                    break
                if len(spelt.lstrip(" ")) >= len(text):
                    break
        return found

    def _entries(self, row: int, index: int | str | Span | tuple[int, ...], site: Site) -> Sequence[int]:
        if isinstance(index, int):
            return (index,)
        if isinstance(index, str):
            return (self._find(row, index, site),)
        if not isinstance(index, Span):
            return index
        if index.name not in self.spans:
            known = f"known are {', '.join(self.spans)}" if self.spans else "name them with spans= beside the inputs"
            raise UnknownSite(f"{site}: these inputs have no span {index.name!r}; {known}; a token's text stands in quotes")
        if not self.spans[index.name][row]:
            raise InputError(f"{site}: the span {index.name!r} is empty in row {row}")
        return self.spans[index.name][row]

    def _find(self, row: int, text: str, site: Site) -> int:
        if not self.tokens:
            raise InputError(f"{site}: without a tokenizer {text!r} can't be found; give the position as a number")
        tokens, places = self.tokens[row], self.places(row, text)
        if len(places) > 1:
            listed = ", ".join(f"{p[0]} ({tokens[p[0]]!r})" if len(p) == 1 else f"{p[0]} to {p[-1]}" for p in places)
            raise InputError(f"{site}: {text!r} occurs {len(places)} times in row {row}, at {listed}; give the position as a number")
        if places and len(places[0]) > 1:
            raise InputError(
                f"{site}: {text!r} is {len(places[0])} tokens of row {row}, at {places[0][0]} to {places[0][-1]}; "
                f"write pos={places[0][0]}:{places[0][-1] + 1}, or name it: spans={{'name': {text!r}}} and pos=name"
            )
        if not places:
            shown = ", ".join(f"{i} {token!r}" for i, token in enumerate(tokens[:40])) + (", ..." if len(tokens) > 40 else "")
            raise InputError(f"{site}: {text!r} is no single token of row {row}; its tokens are {shown}")
        return places[0][0]


def rows_of(mask: Bool[Tensor, "batch pos"], tokens: tuple[tuple[str, ...], ...] = ()) -> Rows:
    """Where the real tokens lie, from a mask that is true at them.

    Raises:
        InputError: a row without real tokens, or with padding between them.

    >>> rows_of(torch.tensor([[True, True, False], [False, True, True]])).starts
    (0, 1)
    """
    starts, lengths = mask.int().argmax(1), mask.sum(1)
    columns = torch.arange(mask.shape[1], device=mask.device)
    filled = (columns >= starts[:, None]) & (columns < (starts + lengths)[:, None])
    if not (filled == mask).all() or not lengths.all():
        raise InputError("an attention_mask must show every row's real tokens side by side, at least one: give the rows without holes")
    return Rows(tuple(starts.tolist()), tuple(lengths.tolist()), tokens)


# A resolved selection: what `tensor[index]` takes, with the axes that a whole number drops.
Resolved = tuple[tuple[slice | Tensor, ...], tuple[int, ...]]


def resolve(site: Site, axes: tuple[str, ...], shape: torch.Size, rows: Rows | None) -> Resolved:
    """Turn a site's selection into an index for a tensor with these axes.

    Arguments:
        site: its selection is resolved.
        axes: the names of the tensor's axes, "batch" first.
        shape: of the tensor.
        rows: where the real tokens of each row lie; `None` where positions are plain columns.

    Returns:
        The index, and the axes to drop after it was used (whole numbers are kept as slices of length one, so that reading and writing share
        one index). Where rows differ, the position axis becomes a table of columns, one line per row.

    Raises:
        UnknownSite, InputError: an axis that is not there, an entry out of range, twice the same entry, or none.
    """
    chosen = dict(site.select)
    for axis in chosen:
        if axis not in axes:
            raise UnknownSite(f"{site}: there is no axis {axis!r} here; the axes are {' '.join(axes)}")
    if not chosen:
        return (), ()
    drop = tuple(i for i, axis in enumerate(axes) if isinstance(chosen.get(axis), int | str))
    batch = _entries(chosen.get("batch", slice(None)), shape[0], "batch", site)
    entries: list[Sequence[int]] = []
    tables: dict[int, Sequence[Sequence[int]]] = {}
    for i, axis in enumerate(axes):
        if axis not in chosen:
            entries.append(range(shape[i]))
            continue
        if axis in POSITION_AXES and rows is not None:
            table = _columns(site, axis, i, shape, rows, batch)
            entries.append(table[0])
            if any(line != table[0] for line in table):
                tables[i] = table
        else:
            entries.append(batch if axis == "batch" else _entries(chosen[axis], shape[i], axis, site))
        if not entries[i]:
            raise InputError(f"{site}: the selection along {axis!r} is empty")
        if len(set(entries[i])) < len(entries[i]):
            raise InputError(f"{site}: the selection along {axis!r} names an entry twice")
    if not tables and all(_contiguous(e) for e, axis in zip(entries, axes, strict=True) if axis in chosen):
        return tuple(slice(e[0], e[-1] + 1) if axis in chosen else slice(None) for e, axis in zip(entries, axes, strict=True)), drop
    mesh = []
    for i in range(len(axes)):
        view = [1] * len(axes)
        view[i] = len(entries[i])
        if i in tables:
            view[0] = len(batch)
        mesh.append(torch.tensor(tables.get(i, entries[i])).view(view))
    return tuple(mesh), drop


def uneven(site: Site, axes: tuple[str, ...], rows: Rows) -> bool:
    """Whether a selection along positions has another length in different rows."""
    several = [index for axis, index in site.select if axis in axes and axis in POSITION_AXES and isinstance(index, slice | Span)]
    return any(len({len(rows.columns(row, index, site)) for row in range(len(rows.lengths))}) > 1 for index in several)


def take(value: Tensor, resolved: Resolved) -> Tensor:
    """The selected part; a view where the selection is made of slices."""
    index, drop = resolved
    part = value[index] if index else value
    for axis in reversed(drop):
        part = part.squeeze(axis)
    return part


def put(value: Tensor, part: Tensor, resolved: Resolved) -> None:
    """Write the selected part of `value` in place: give it a copy of what a model computed."""
    index, drop = resolved
    for axis in drop:
        part = part.unsqueeze(axis)
    value[index] = part


def _columns(site: Site, axis: str, i: int, shape: torch.Size, rows: Rows, batch: Sequence[int]) -> Sequence[Sequence[int]]:
    """The columns along the position axis `i`, for each row of the batch."""
    index = dict(site.select)[axis]
    shared = shape[0] != len(rows.lengths)  # one line for all rows, such as position embeddings
    table = [rows.columns(row, index, site) for row in (range(len(rows.lengths)) if shared else batch)]
    # keys reach back to the first column, also where the queries begin after the cached ones
    before = rows.cached if shape[i] < rows.end else 0
    if before and any(column < before for line in table for column in line):
        raise SiteUnavailable(f"{site}: the first {before} columns are cached and not computed in this forward")
    table = [[column - before for column in line] for line in table]
    if shape[i] < rows.end - before or (shared and any(line != table[0] for line in table)):
        raise SiteUnavailable(
            f"{site}: the tensor here is {' x '.join(map(str, shape))}, which has no column for every token along {axis!r}; read it whole"
        )
    if len({len(line) for line in table}) > 1:
        lengths = sorted({len(line) for line in table})
        raise InputError(
            f"{site}: the rows have {min(rows.lengths)} to {max(rows.lengths)} tokens, so this selection differs in length between them "
            f"({lengths[0]} to {lengths[-1]} positions); read the rows one by one"
        )
    return [table[0]] * len(batch) if shared else table


def _entries(index: Index, size: int, axis: str, site: Site) -> Sequence[int]:
    if isinstance(index, Span):
        raise UnknownSite(
            f"{site}: {index.name!r} is the name of a span, which positions have, where the inputs are tokens; use numbers for {axis!r}"
        )
    if isinstance(index, str):
        hint = "no tokens are known here: give the position as a number" if axis in POSITION_AXES else f"give {axis!r} a number from 0 to {size - 1}"
        raise UnknownSite(f"{site}: {index!r} is the text of a token: {hint}")
    if isinstance(index, slice):
        return range(size)[index]
    entries = (index,) if isinstance(index, int) else index
    for i in entries:
        if not -size <= i < size:
            raise UnknownSite(f"{site}: {axis} {i} is out of range; there are {size} ({axis} 0 to {size - 1})")
    return [i % size for i in entries]


def _contiguous(entries: Sequence[int]) -> bool:
    return list(entries) == list(range(entries[0], entries[0] + len(entries)))
