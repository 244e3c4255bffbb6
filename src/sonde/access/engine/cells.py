"""Where each cell of a sweep leaves the unedited forward: at which block, at which column, or nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from sonde.access.edits import Add, Mean, Patch, Scale, Set, Zero
from sonde.access.run import Run
from sonde.access.selection import POSITION_AXES, Rows, uneven
from sonde.access.sites import Site
from sonde.access.writes import Write

if TYPE_CHECKING:
    from sonde.access.model import Model

PLAIN = -1  # the entry of a cell that needs a whole forward

# edits whose new value at a position depends on the old value at that position alone, and is the same whenever it is asked for
COLUMNWISE = (Zero, Set, Mean, Patch, Add, Scale)


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep.

    Arguments:
        index: its place in the sweep.
        writes: as they were given.
        planned: the writes, those between two blocks moved to the second one's entrance.
        entry: the block at which the cell leaves the unedited forward; the number of blocks where it does so after them, or `PLAIN`.
        last: the last block in which it writes.
        start: the first column that it changes; 0 where that is not known.
    """

    index: int
    writes: Sequence[Write]
    planned: Sequence[Write]
    entry: int
    last: int
    start: int = 0

    def beginning(self, model: "Model", start: int) -> Sequence[Write]:
        """The writes for a forward that computes the columns from `start` on: those that mean all positions then mean these."""
        return [_later(model, write, start) if start and _axis(write.site) is None else write for write in self.planned]


def enter(model: "Model", index: int, writes: Sequence[Write], replayable: bool) -> Cell:
    """Where a cell enters; the residual stream leaving a block is the one entering the next."""
    arch, moved, others, blocks = model.architecture, [], [], []
    specs = [model.locate(write.site.name) for write in writes]
    coordinates = {spec.point for spec in specs if spec.base is not None}  # what is written after the stream, at the same point
    for write, spec in zip(writes, specs, strict=True):
        leaving = spec.name in arch.sites and spec.name.endswith(".resid_post") and spec.block + 1 < arch.n_layers and spec.point not in coordinates
        # a hook of the user's on entering the next block comes between
        if leaving and not model.block(spec.block + 1)._forward_pre_hooks:
            moved.append(replace(write, site=Site(f"blocks.{spec.block + 1}.resid_pre", write.site.select)))
            blocks.append(spec.block + 1)
        else:
            others.append(write)
            # what reads the logits is no part of a replay; RoBERTa keeps its final norm in there
            read_out = spec.point.module == "" or f"{spec.point.module}.".startswith(f"{arch.unembed}.")
            # cells that enter between what is read and what is written would have no value of what is read
            apart = any(need.block != spec.block for need in spec.needs)
            blocks.append(PLAIN if read_out or apart else spec.block)
    entry = min(blocks) if replayable else PLAIN
    # what is written on leaving a block comes before what is written on entering the next
    return Cell(index, writes, writes if entry == PLAIN else [*moved, *others], entry, max(blocks))


def changes_from(model: "Model", cell: Cell, base: Run, rows: Rows) -> int | None:
    """The first column that a cell changes, found by making its edits on the unedited values; `None` where it changes nothing.

    An edit that rewrites what is there changes nothing after it either, so a cell of such edits is the unedited forward, bit for bit.
    """
    found = [_first_change(model, write, base, rows) for write in cell.writes]
    if all(column is None for column in found):
        return None
    return min(_first_needed(write, rows) if column is None else column for write, column in zip(cell.writes, found, strict=True))


def _first_needed(write: Write, rows: Rows) -> int:
    """The first column that must be computed for a write that changes nothing there, and is made all the same; it may matter behind other edits."""
    return rows.end if _can_begin_later(write, rows) else _columns(write.site, rows)[0]


def _can_begin_later(write: Write, rows: Rows) -> bool:
    """Whether a write to all positions can be made on the later ones alone; a constant need not fit a part of them."""
    return _axis(write.site) is None and isinstance(write.edit, Patch) and write.edit.at is None and not rows.ragged


def _first_change(model: "Model", write: Write, base: Run, rows: Rows) -> int | None:
    columns = _columns(write.site, rows)
    known = isinstance(write.edit, COLUMNWISE) and write.site in base and write.rows is None
    if not known or uneven(write.site, model.locate(write.site.name).axes, rows):
        return columns[0]
    old = base[write.site]
    new = write.edit.new(old.clone())
    if torch.equal(new, old):
        return None
    if not _can_begin_later(write, rows):
        return columns[0]
    changed = (new != old).movedim(_axes(model, write.site)[1], 0).flatten(1).any(1)
    return int(changed.int().argmax())


def _axes(model: "Model", site: Site) -> tuple[str, int]:
    """The axis of a site's computed positions, and its place in what is selected."""
    kept = [axis for axis in model.locate(site.name).axes if not isinstance(dict(site.select).get(axis), int | str)]
    axis = "query" if "query" in kept else "pos"
    return axis, kept.index(axis)


def _columns(site: Site, rows: Rows) -> Sequence[int]:
    """The columns that a selection means in any row, sorted; all of them where it names no positions."""
    axis = _axis(site)
    if axis is None:
        return range(rows.end)
    index = dict(site.select)[axis]
    return sorted({column for row in range(len(rows.lengths)) for column in rows.columns(row, index, site)})


def _axis(site: Site) -> str | None:
    """The axis along which a site selects the positions that are computed; a selection of keys selects none."""
    return next((axis for axis, _ in site.select if axis in POSITION_AXES and axis != "key"), None)


def _later(model: "Model", write: Write, start: int) -> Write:
    """A write to all positions, made on those from `start` on alone."""
    assert isinstance(write.edit, Patch)
    axis = _axes(model, write.site)[0]
    later = {axis: slice(start, None)}
    return replace(write, site=write.site.at(**later), edit=replace(write.edit, site=write.edit.site.at(**later)))


def needs_values(cells: Sequence[Cell]) -> list[Site]:
    """The sites whose unedited values tell what the cells change."""
    wanted = {write.site.whole() for cell in cells if cell.entry != PLAIN for write in cell.writes if isinstance(write.edit, COLUMNWISE)}
    return sorted(wanted, key=str)
