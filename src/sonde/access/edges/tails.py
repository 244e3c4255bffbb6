"""The rest of a forward from some block on: the unedited run is recorded once, and others leave it where they differ."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonde.access.edges.answering import Answers, attention, projections
from sonde.access.edges.ledger import Ledger
from sonde.access.edits import Apply
from sonde.access.engine.cells import Cell
from sonde.access.engine.costs import tokens_within
from sonde.access.engine.passes import Pass
from sonde.access.engine.recorded import Cache, Recorded, recording, sliceable
from sonde.access.engine.replay import replay, wanted_columns
from sonde.access.engine.sweep import columns_read, why_all_columns, why_plain
from sonde.access.forward import Metric, forward, logits_for, measured
from sonde.access.inputs import Inputs
from sonde.access.run import Readout, Run
from sonde.access.sites import Site
from sonde.access.tape import Stop, Tape
from sonde.access.writes import Write

if TYPE_CHECKING:
    from sonde.access.model import Model


class Tails:
    """A recorded forward, and the metric of forwards that leave it at some block.

    Arguments:
        model, inputs, metric: what is run.
        sites: what to read in the unedited run.
    """

    def __init__(self, model: "Model", inputs: Inputs, metric: Metric, sites: Sequence[Site]):
        self.model, self.inputs, self.metric, self.depth = model, inputs, metric, model.n_layers
        self.recorded, self.start = Recorded(), 0
        known = [path for i in range(model.n_layers) for path in (attention(model, i), *projections(model, i)) if path]
        self.answers = Answers(model.module, known)
        self.replays = not why_plain(model, inputs)
        why_all = why_all_columns(model, record=False)
        outputs = [Site(f"blocks.{i}.attn.out") for i in range(model.n_layers)]
        with contextlib.ExitStack() as stack:
            if self.replays:
                stack.enter_context(recording(model, self.recorded, 0, range(model.n_layers), keys=not why_all))
                stack.enter_context(self.answers.listening())
            self.base = forward(model, inputs, list(dict.fromkeys([*sites, *outputs])), (), logits_for(metric))
        self.value = measured(metric, self.base)
        self.sliced = self.replays and not why_all and not sliceable(self.recorded)
        self.columns = columns_read(metric, inputs)
        kernel = model.architecture.kernel
        self.fused = kernel is not None and kernel.name(model.module) == "sdpa"

    def begin(self, start: int) -> None:
        """Leave out the columns before `start`, where nothing ever differs, if the model's blocks can be called so."""
        self.start = min(start, *self.columns) if self.sliced and self.columns is not None else 0

    def through(self, ledger: Ledger, masks: int) -> Tensor:
        """The metric under a ledger: mask example."""
        batch = self.inputs.batch
        if not self.replays:
            run = forward(self.model, self.inputs.repeat(masks), (), ledger.writes(), logits_for(self.metric))
            parts = [run.logits[m * batch : (m + 1) * batch] for m in range(masks)]
            return torch.stack(
                [measured(self.metric, Run({}, part, self.inputs, run.kernel, (), run.columns and run.columns[:batch])) for part in parts]
            )
        if ledger.entry == self.depth:
            return self.read_out(ledger.logits_stream(self.recorded.hidden[self.depth][:, self.start :].repeat(masks, 1, 1)), self.start)
        return self._replayed(ledger.entry, masks, self.start, ledger.writes(), narrow=False)

    def tail(self, layer: int, site: str, values: Tensor) -> Tensor:
        """The metric where a site of a block holds other values: case example.

        Arguments:
            layer: the block.
            site: its site.
            values: case batch pos d, from `start` on.
        """
        start, last = self.start, layer == self.depth - 1
        if last and not site.endswith(".attn.in") and self.sliced and self.columns is not None and len(set(self.columns)) == 1:
            # of what comes after the last attention nothing but the wanted column matters
            values, start = values[:, :, self.columns[0] - start :], self.columns[0]
        flat = values.flatten(0, 1)
        narrow = self.sliced and not last and self.columns is not None and len(set(self.columns)) == 1
        if site.endswith(".attn.out") and (path := attention(self.model, layer)) in self.answers:
            with self.answers.answering({path: flat}):
                return self._replayed(layer, len(values), start, (), narrow)
        return self._replayed(layer, len(values), start, [Write(Site(site), Apply(site, lambda old: flat))], narrow)

    def attention(self, layer: int, site: str, values: Tensor) -> Tensor:
        """What the heads of a block mix where its queries, keys or values are others: (case batch) pos head d_head.

        Arguments:
            layer: the block.
            site: of its queries, keys or values.
            values: (case batch) pos head d_head, from `start` on.
        """
        model, times = self.model, len(values) // self.inputs.batch
        rows = self.inputs.repeat(times).rows
        tape = Tape(model.module, model.architecture, model.locate, rows, stop=True)
        tape.write(Write(Site(site), Apply(site, lambda old: values)))
        z = Site(f"blocks.{layer}.attn.z")
        tape.read(z)
        hidden = self.recorded.hidden[layer][:, self.start :].repeat(times, 1, 1)
        before = Cache(self.recorded.before(layer, self.start, times)) if self.start else None
        known = {path: self.answers[path] for path in projections(model, layer) if path in self.answers}
        whole = self.recorded.hidden[layer].shape[:2]
        answers = {path: value[:, self.start :].repeat(times, 1, 1) for path, value in known.items() if value.ndim == 3 and value.shape[:2] == whole}
        with self.answers.answering(answers), tape.running(), contextlib.suppress(Stop):
            columns = slice(self.start, self.start + hidden.shape[1])
            self.recorded.call(model.block(layer), layer, hidden, times, columns, before, self.fused)
        return tape.held[z].value

    def read_out(self, streams: Tensor, start: int) -> Tensor:
        """The metric where other residual streams leave the last block: case example.

        Arguments:
            streams: (case batch) pos d_model.
            start: their first column.
        """
        batch = self.inputs.batch
        taken = wanted_columns(streams, self.recorded, Pass([Cell(0, (), (), self.depth, self.depth)], start), batch, self.columns)
        normed = self.model.final(taken)
        return self._measured([Readout(normed[k * batch : (k + 1) * batch], self.model.read_out) for k in range(len(streams) // batch)])

    @property
    def per_pass(self) -> int:
        """How many cases fit into a pass."""
        columns = self.recorded.hidden[self.depth].shape[1] - self.start
        return max(1, tokens_within(self.model, self.inputs, record=False) // (self.inputs.batch * columns))

    def _replayed(self, entry: int, times: int, start: int, writes: Sequence[Write], narrow: bool) -> Tensor:
        cells = [Cell(k, (), (), entry, entry) for k in range(times)]
        runs, _ = replay(self.model, self.recorded, Pass(cells, start), self.inputs, self.columns, narrow, False, writes)
        return torch.stack([measured(self.metric, run) for run in runs])

    def _measured(self, logits: Sequence[Readout]) -> Tensor:
        return torch.stack([measured(self.metric, Run({}, one, self.inputs, "", (), self.columns)) for one in logits])
