"""A metric under edits of the same places, again and again, with its graph: what a search for directions asks at every step.

Everything before the places stays the same from step to step, so the unedited forward runs once, and each step goes through the model's own blocks
from the first place on; in a causal model at the columns from the first place on, too.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access.engine.cells import PLAIN, changes_from, enter
from sonde.access.engine.passes import Pass
from sonde.access.engine.recorded import Recorded, recording, sliceable
from sonde.access.engine.replay import replay
from sonde.access.engine.sweep import agree, columns_read, why_all_columns, why_plain
from sonde.access.forward import Metric, differentiable, evaluation, forward, frozen, logits_for, logits_kept, measured, needs_recording
from sonde.access.inputs import Inputs
from sonde.access.writes import Write

if TYPE_CHECKING:
    from sonde.access.model import Model

PROVED = "begun late, with a graph"  # once for a model


class Repeated:
    """A metric under edits that are made at the same places at every call.

    Arguments:
        model: stays as it is; no weight takes part in the graph.
        inputs: what is run.
        of: the metric.
        writes: the first edits; those of every call are at the same sites.
    """

    def __init__(self, model: "Model", inputs: Inputs, of: Metric, writes: Sequence[Write]):
        self.model, self.inputs, self.of, self.start = model, inputs, of, 0
        self.logits = logits_kept(model, logits_for(of), [write.site for write in writes])
        self.record, self.columns = needs_recording(model, writes), columns_read(of, inputs)
        cell, rows = enter(model, 0, writes, not why_plain(model, inputs)), inputs.rows
        self.recorded = Recorded() if cell.entry != PLAIN and rows is not None else None
        if self.recorded is None or rows is None:
            return
        why_all = why_all_columns(model, self.record)
        with torch.no_grad(), recording(model, self.recorded, cell.entry, [cell.entry], keys=not why_all):
            base = forward(model, inputs, (), (), self.logits, self.record)
        sliced = not why_all and not sliceable(self.recorded)
        if sliced and cell.last < model.n_layers:
            self.start = changes_from(model, cell, base, rows) or 0
        self.narrow = sliced and self.columns is not None and len(set(self.columns)) == 1
        if self.columns is not None and self.start > max(self.columns):
            self.recorded = None  # nothing that is read changes: let the whole forward say so

    def __call__(self, writes: Sequence[Write]) -> Float[Tensor, " batch"]:
        """The metric under some edits, one number per example, with its graph.

        Arguments:
            writes: the edits.

        Raises:
            SondeError: the first call of a model does not agree with a whole forward.
        """
        if self.recorded is None:
            return differentiable(self.model, self.inputs, writes, self.of)
        model, cell = self.model, replace(enter(self.model, 0, writes, True), start=self.start)
        with evaluation(model.module), frozen(model.module), torch.enable_grad():
            runs, _ = replay(model, self.recorded, Pass([cell], self.start), self.inputs, self.columns, self.narrow, self.record)
            value = measured(self.of, runs[0])
        if PROVED not in model.verified:
            with torch.no_grad():
                agree(forward(model, self.inputs, (), writes, self.logits, self.record), self.of, value.detach(), cell)
            model.verified.add(PROVED)
        return value
