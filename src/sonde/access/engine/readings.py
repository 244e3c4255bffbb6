"""Values under many edits, one at a time: what a sweep's metric cannot see, because it is inside the model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sonde.access.engine.costs import tokens_within
from sonde.access.engine.passes import ROWS_PER_PASS, checked
from sonde.access.forward import forward, needs_recording
from sonde.access.inputs import Inputs
from sonde.access.sites import Site
from sonde.access.writes import Unstackable, Write
from sonde.jobs import track

if TYPE_CHECKING:
    from sonde.access.model import Edits, Model


def readings(
    model: "Model", inputs: Inputs, edits: "Sequence[Edits]", read: Sequence[Site], batch_size: int | Literal["auto"] = "auto"
) -> dict[Site, Tensor]:  # fmt: skip
    """The values at some sites under each entry of the edits, stacked along the batch; a forward ends after the last of the sites.

    Arguments:
        model: the model.
        inputs: as `model.prepare` makes them.
        edits: each entry one edit, or a list of edits that are made together.
        read: the sites; a selection must have the same length in every row.
        batch_size: rows per pass.

    Returns:
        By site: [edit example ...].
    """
    cells = [model._writes(one) for one in edits]
    record = needs_recording(model, [write for cell in cells for write in cell])
    if batch_size != "auto":
        rows = checked(batch_size)
    elif inputs.ids is not None:
        rows = tokens_within(model, inputs, record) // inputs.ids.shape[1]
    else:
        rows = ROWS_PER_PASS
    size = 1 if model.architecture.rows_meet else max(1, int(rows) // inputs.batch)
    found: dict[Site, list[Tensor]] = {site: [] for site in read}
    for first in track(range(0, len(cells), size), "reading"):
        for site, values in _together(model, inputs, cells[first : first + size], read, record).items():
            found[site].append(values)
    return {site: torch.cat(values) for site, values in found.items()}


def _together(model: "Model", inputs: Inputs, cells: Sequence[Sequence[Write]], read: Sequence[Site], record: bool) -> dict[Site, Tensor]:
    n, batch = len(cells), inputs.batch
    parts = [slice(k * batch, (k + 1) * batch) for k in range(n)]
    try:
        writes = [write.within(part) if n > 1 else write for cell, part in zip(cells, parts, strict=True) for write in cell]
        run = forward(model, inputs.repeat(n), read, writes, False, record)
    except Unstackable:  # one row stands for all, such as that of the position embeddings
        alone = [_together(model, inputs, [cell], read, record) for cell in cells]
        return {site: torch.cat([one[site] for one in alone]) for site in read}
    return {site: run[site].reshape(n, batch, *run[site].shape[1:]) for site in read}
