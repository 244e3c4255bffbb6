"""Selections along named axes, applied to tensors: reading a part, and writing it back out of place.

Positions count each row's real tokens, so in a padded batch `pos=-1` is another column in every row. `Rows` holds where each row's tokens lie.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sonde.access.sites import Index, Site
from sonde.results import InputError, UnknownSite

POSITION_AXES = ("pos", "query", "key")


@dataclass(frozen=True)
class Rows:
    """Where the real tokens of each row of a padded batch lie.

    Arguments:
        starts: the column of each row's first real token.
        lengths: how many real tokens each row has.
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def ragged(self) -> bool:
        return len(set(self.starts)) > 1 or len(set(self.lengths)) > 1

    def columns(self, row: int, index: Index, site: Site) -> list[int]:
        """The columns that an index along positions means in one row."""
        start, length = self.starts[row], self.lengths[row]
        if isinstance(index, slice):
            return [start + i for i in range(*index.indices(length))]
        entries = (index,) if isinstance(index, int) else index
        for i in entries:
            if not -length <= i < length:
                raise InputError(f"{site}: position {i} is outside row {row}, which has {length} tokens (0 to {length - 1}, or -{length} to -1)")
        return [start + (i % length) for i in entries]

    def repeat(self, times: int) -> "Rows":
        return Rows(self.starts * times, self.lengths * times)


# A resolved selection: what `tensor[index]` takes, with the axes that a whole number drops.
Resolved = tuple[tuple, tuple[int, ...]]


def resolve(site: Site, axes: tuple[str, ...], shape: torch.Size, rows: Rows | None) -> Resolved:
    """Turn a site's selection into an index for a tensor with these axes.

    Returns the index, and the axes to drop after it was used (whole numbers are kept as slices of length one, so that reading and writing
    share one index). Where rows differ, the position axis becomes a table of columns, one line per row.
    """
    chosen = dict(site.select)
    for axis in chosen:
        if axis not in axes:
            raise UnknownSite(f"{site}: there is no axis {axis!r} here; the axes are {' '.join(axes)}")
    if not chosen:
        return (), ()
    drop = tuple(i for i, axis in enumerate(axes) if isinstance(chosen.get(axis), int))
    columns: dict[str, list[list[int]] | list[int]] = {}
    tables: dict[str, Tensor] = {}
    for i, axis in enumerate(axes):
        if axis not in chosen:
            continue
        if axis in POSITION_AXES and rows is not None and len(rows.lengths) == shape[0]:
            table = [rows.columns(row, chosen[axis], site) for row in range(shape[0])]
            if len({len(line) for line in table}) > 1:
                raise InputError(
                    f"{site}: the rows have {min(rows.lengths)} to {max(rows.lengths)} tokens, so this selection differs in length between them"
                )
            if any(line != table[0] for line in table):
                tables[axis] = torch.tensor(table)
            columns[axis] = table[0]
        else:
            columns[axis] = _entries(chosen[axis], shape[i], axis, site)
        if len(columns[axis]) == 0:
            raise InputError(f"{site}: the selection along {axis!r} is empty")
    if not tables and all(_contiguous(columns[axis]) for axis in columns):
        return tuple(_as_slice(columns[axis]) if axis in columns else slice(None) for axis in axes), drop
    mesh = []
    for i, axis in enumerate(axes):
        view = [1] * len(axes)
        if axis in tables:
            view[0], view[i] = tables[axis].shape
            mesh.append(tables[axis].view(view))
        else:
            entries = torch.tensor(columns[axis]) if axis in columns else torch.arange(shape[i])
            view[i] = len(entries)
            mesh.append(entries.view(view))
    return tuple(mesh), drop


def take(value: Tensor, resolved: Resolved) -> Tensor:
    """The selected part; a view where the selection is made of slices."""
    index, drop = resolved
    part = value[index] if index else value
    for axis in reversed(drop):
        part = part.squeeze(axis)
    return part


def put(value: Tensor, part: Tensor, resolved: Resolved, owned: bool = False) -> Tensor:
    """`value` with its selected part replaced; `owned` says that `value` is ours to overwrite."""
    index, drop = resolved
    if not index:
        return part
    for axis in drop:
        part = part.unsqueeze(axis)
    value = value if owned else value.clone()
    value[index] = part
    return value


def _entries(index: Index, size: int, axis: str, site: Site) -> list[int]:
    if isinstance(index, slice):
        return list(range(*index.indices(size)))
    entries = (index,) if isinstance(index, int) else index
    for i in entries:
        if not -size <= i < size:
            raise UnknownSite(f"{site}: {axis} {i} is out of range; there are {size} ({axis} 0 to {size - 1})")
    return [i % size for i in entries]


def _contiguous(entries: list) -> bool:
    return entries == list(range(entries[0], entries[0] + len(entries)))


def _as_slice(entries: list) -> slice:
    return slice(entries[0], entries[0] + len(entries))
