"""One pass of a sweep: the model's own blocks from where its cells enter, then its own final norm, with the cells stacked along the batch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonde.access.engine.passes import Pass
from sonde.access.engine.recorded import Cache, Recorded
from sonde.access.inputs import Inputs
from sonde.access.run import Readout, Run
from sonde.access.tape import Stop, Tape
from sonde.access.writes import Write

if TYPE_CHECKING:
    from sonde.access.model import Model


def replay(
    model: "Model", recorded: Recorded, one: Pass, inputs: Inputs, columns: tuple[int, ...] | None, narrow: bool, record: bool,
    writes: Sequence[Write] = (),
) -> tuple[list[Run], list[str]]:  # fmt: skip
    """A run for each cell of a pass, and what is to be noted.

    Arguments:
        model: the model.
        recorded: its unedited forward.
        one: the cells, and the first column that is computed.
        inputs: of the unedited forward.
        columns: the column of each row whose logits are wanted; `None` for all.
        narrow: let the last block compute the wanted column only.
        record: attention goes through the recording function.
        writes: further ones, made on all cells together; none in the last block where it is narrow.
    """
    rows, batch, depth = inputs.rows, inputs.batch, model.n_layers
    assert rows is not None
    repeated = inputs.repeat(len(one.cells)).rows
    assert repeated is not None
    stacked = replace(repeated, cached=one.start)
    tape = Tape(model.module, model.architecture, model.locate, stacked)
    for k, cell in enumerate(one.cells):
        for write in cell.beginning(model, one.start):
            tape.write(write.within(slice(k * batch, (k + 1) * batch)))
    for write in writes:
        tape.write(write)
    ends = any(cell.last >= depth for cell in one.cells)
    narrow = narrow and not ends and all(cell.last < depth - 1 for cell in one.cells)
    with tape.running(force_recording=record):
        hidden = _through(model, recorded, one, batch, columns if narrow else None, record, tape)
        # what is written after the blocks may lie at any column; otherwise the wanted ones are enough
        if not (ends or narrow):
            hidden = wanted_columns(hidden, recorded, one, batch, columns)
        normed = model.final(hidden)
        if ends and columns is not None:
            normed = normed[torch.arange(len(normed), device=normed.device), torch.tensor(columns * len(one.cells), device=normed.device)][:, None]
    tape.finish()
    made = [Readout(normed[k * batch : (k + 1) * batch], model.read_out) for k in range(len(one.cells))]
    return [Run({}, logits, inputs, "", (), columns) for logits in made], tape.notes


def _through(
    model: "Model", recorded: Recorded, one: Pass, batch: int, wanted: Sequence[int] | None, record: bool, tape: Tape
) -> Tensor:  # fmt: skip
    """The residual stream that leaves the last block, at the columns from the pass's start on, or at the wanted one only."""
    hidden, depth, rows = None, model.n_layers, tape.rows
    assert rows is not None
    fused = not record and model.architecture.kernel is not None and model.architecture.kernel.name(model.module) == "sdpa"
    for i in range(one.entry, depth):
        hidden = _joined(hidden, recorded, i, one, batch)
        times, block = hidden.shape[0] // batch, model.block(i)
        tape.rows = rows.part(slice(hidden.shape[0]))  # the cells that are on their way
        whole = slice(one.start, one.start + hidden.shape[1])
        if i == depth - 1 and wanted is not None:
            column = wanted[0]
            before = recorded.before(i, one.start, times)
            if column > one.start:
                # the queries of the other columns are of no use: stop as soon as their keys and values are there
                cache = Cache(before, stop=True)
                try:
                    recorded.call(block, i, hidden[:, : column - one.start], times, slice(one.start, column), cache, fused)
                except Stop:
                    before = cache.held
            place = slice(column, column + 1)
            at = slice(column - one.start, column - one.start + 1)
            hidden = recorded.call(block, i, hidden[:, at], times, place, Cache(before), fused)
        else:
            kept = Cache(recorded.before(i, one.start, times)) if one.start else None
            hidden = recorded.call(block, i, hidden, times, whole, kept, fused)
    tape.rows = rows
    return _joined(hidden, recorded, depth, one, batch)


def _joined(hidden: Tensor | None, recorded: Recorded, i: int, one: Pass, batch: int) -> Tensor:
    """The residual stream entering block i: of the cells that are on their way, and of those that enter here."""
    entering = sum(cell.entry == i for cell in one.cells)
    if not entering:
        assert hidden is not None
        return hidden
    fresh = recorded.hidden[i][:, one.start :].repeat(entering, 1, 1)
    return fresh if hidden is None else torch.cat([hidden, fresh])


def wanted_columns(hidden: Tensor, recorded: Recorded, one: Pass, batch: int, columns: Sequence[int] | None) -> Tensor:
    """The wanted column of each row, or all of them; those left of the pass's start are the unedited forward's."""
    times, last = hidden.shape[0] // batch, recorded.hidden[max(recorded.hidden)]
    if columns is None:
        return torch.cat([last[:, : one.start].repeat(times, 1, 1), hidden], 1) if one.start else hidden
    here = torch.tensor(columns, device=hidden.device)
    rows = torch.arange(batch, device=hidden.device)
    base = last[rows, here].repeat(times, 1)
    later = (here >= one.start).repeat(times)
    at = (here - one.start).clamp(min=0).repeat(times)
    taken = hidden[torch.arange(times * batch, device=hidden.device), at]
    return torch.where(later[:, None], taken, base)[:, None]
