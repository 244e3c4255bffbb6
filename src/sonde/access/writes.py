"""An edit on its way: which rows it is meant for, and how it is made on a copy of the site's value."""

from dataclasses import dataclass

from torch import Tensor

from sonde.access.edits import Edit, Place, PlacedEdit
from sonde.access.kernels import unwatched
from sonde.access.selection import Rows, put, resolve, take, uneven
from sonde.access.sites import Site
from sonde.access.views import Firing
from sonde.results import EditError, SiteUnavailable


class Unstackable(SiteUnavailable):
    """Cells of a sweep can't share a forward: a tensor does not have one entry for each of its rows."""


@dataclass(frozen=True)
class Write:
    """An edit at a site; `rows` limits it to a part of the batch (one cell of a sweep, one row), which must have `of` rows (0: any number)."""

    site: Site
    edit: Edit
    rows: slice | None = None
    of: int = 0

    def within(self, cell: slice) -> "Write":
        """The same in one of several batches that are stacked into one; raises `EditError` where it is meant for another number of rows."""
        batch = cell.stop - cell.start
        self.refuse_other_count(batch)
        start, stop, _ = (self.rows or slice(None)).indices(batch)
        return Write(self.site, self.edit, slice(cell.start + start, cell.start + stop))

    def refuse_other_count(self, batch: int) -> None:
        """Raise `EditError` where the write is meant for another number of rows."""
        if self.of not in (0, batch):
            raise EditError(f"{self.edit!r} is meant for one of {self.of} rows, and the batch has {batch}; give PerRow one entry for each row")

    def __str__(self) -> str:
        return f"{self.edit!r} in row {self.rows.start}" if self.of and self.rows else repr(self.edit)


def write_into(new: Tensor, write: Write, axes: tuple[str, ...], firing: Firing, raw: Tensor, rows: Rows | None, batch: int | None) -> None:
    """Let an edit change a copy of a site's value in place.

    Arguments:
        new: the copy.
        write: the edit, and the rows that are meant.
        axes: the names of the copy's axes.
        firing: what is at hand where the site is.
        raw: the tensor there, before it is unpacked.
        rows: where the real tokens of each row lie.
        batch: the number of rows of the inputs, where it is known.

    Raises:
        EditError: a value that does not fit, or another number of rows than is meant. Unstackable: rows that can't be told apart.
    """
    for lines in _lines(write, axes, new.shape[0] if new.ndim else 1, firing.batch, rows, batch):
        part, own = new if lines == slice(None) else new[lines], rows and rows.part(lines)
        resolved = resolve(write.site, axes, part.shape, own)
        before = take(part, resolved).clone()  # a copy, which no later edit changes under the hands of whoever keeps it
        with unwatched():
            if isinstance(write.edit, PlacedEdit):
                entering, here = (t[lines] if t is not None and t.ndim else t for t in (firing.entering, raw))
                after = write.edit.new_at(before, Place(axes, part.shape, own, resolved, firing.module, entering, here))
            else:
                after = write.edit.new(before)
        if not isinstance(after, Tensor) or after.shape != before.shape or after.dtype != before.dtype:
            got = f"{after.dtype} {tuple(after.shape)}" if isinstance(after, Tensor) else type(after).__name__
            raise EditError(f"{write.edit}: the new value is {got}, the site holds {before.dtype} {tuple(before.shape)}")
        put(part, after, resolved)


def _lines(write: Write, axes: tuple[str, ...], entries: int, fired: int | None, rows: Rows | None, batch: int | None) -> list[slice]:
    """The rows that are written at once: all that are meant, or one by one where the selection has another length in each of them."""
    write.refuse_other_count(fired or entries)
    lines = slice(None) if write.rows in (None, slice(0, batch)) else write.rows
    if lines != slice(None) and fired not in (None, entries):
        raise Unstackable(
            f"{str(write.site)!r} has {entries} entries along its first axis in a forward over {fired} rows, so edits of some "
            "rows can't be told apart there: make them in runs of their own"
        )
    if rows is None or "batch" in dict(write.site.select) or not uneven(write.site, axes, rows.part(lines)):
        return [lines]
    return [slice(i, i + 1) for i in range(*lines.indices(entries))]
