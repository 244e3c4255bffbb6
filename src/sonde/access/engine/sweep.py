"""A metric under many edits, one at a time: the plan, and its execution.

The result equals one plain hooked forward per edit (relative 1e-5 in float32). The first sweep of a model proves it: of every kind of plan that it
uses, a cell drawn at random is computed again as a plain forward, and must agree.
"""

import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sonde.access.edits import Apply
from sonde.access.engine.cells import PLAIN, Cell, changes_from, enter, needs_values
from sonde.access.engine.costs import WORKING_SET, free_bytes, kept_bytes, predicted, tokens_within
from sonde.access.engine.passes import Pass, checked, passes
from sonde.access.engine.recorded import Recorded, cache_name, recording, sliceable
from sonde.access.engine.replay import replay
from sonde.access.forward import Logits, Metric, evaluation, forward, logits_for, logits_kept, measured, needs_recording
from sonde.access.inputs import Inputs
from sonde.access.run import Plan, Run, Sweep
from sonde.access.sites import Site
from sonde.access.writes import Unstackable, Write
from sonde.jobs import shards
from sonde.results import InputError, SondeError, content_hash

if TYPE_CHECKING:
    from sonde.access.model import Model

# how far a stacked computation may lie from a plain one, relative to the largest logit: other shapes sum in another order
BOUND = {torch.float64: 1e-9, torch.float32: 1e-5}
BOUND_HALF = 5e-2

ALONE = "alone"  # a model has shown that its cells can't share a forward
SINGLY = "edits were made one forward at a time"


@dataclass(frozen=True)
class _Prepared:
    """Everything that is known before the first pass.

    Arguments:
        base: the unedited forward.
        recorded: what its blocks were called with.
        cells: all of them; those that can't matter are in no pass.
        passes: in the order in which they are computed.
        columns: the column of each row whose logits the metric reads; `None` for all.
        narrow: the last block computes that column only.
        logits, record: how a plain forward is made.
        plan: what it will cost.
        notes: what was decided.
    """

    base: Run
    recorded: Recorded
    cells: Sequence[Cell]
    passes: Sequence[Pass]
    columns: tuple[int, ...] | None
    narrow: bool
    logits: Logits
    record: bool
    plan: Plan
    notes: Sequence[str]


def planned(model: "Model", inputs: Inputs, cells: Sequence[Sequence[Write]], metric: Metric, batch_size: int | Literal["auto"]) -> Plan:
    """What a sweep would do; see `Model.plan`."""
    with evaluation(model.module), torch.no_grad():
        return _prepare(model, inputs, cells, metric, batch_size).plan


def sweep(
    model: "Model", inputs: Inputs, cells: Sequence[Sequence[Write]], metric: Metric, batch_size: int | Literal["auto"], verify: bool | None,
    seed: int, folder: Path | None,
) -> Sweep:  # fmt: skip
    """The metric under each cell's writes, for each example; see `Model.sweep`."""
    key = "" if folder is None else _key(model, inputs, cells, metric, batch_size)
    with evaluation(model.module), torch.no_grad():
        made = _prepare(model, inputs, cells, metric, batch_size)
        base = measured(metric, made.base).detach()
        values = base.repeat(len(cells), 1)
        notes = dict.fromkeys(made.notes)

        def work(one: Pass) -> dict[str, Tensor]:
            runs, said = _run(model, made, one, inputs)
            notes.update(dict.fromkeys(said))
            return {"values": torch.stack([measured(metric, run) for run in runs])}

        for i, result in shards(work, made.passes, folder, key, "sweeping"):
            values[[cell.index for cell in made.passes[i].cells]] = result["values"].to(values)
        for kind, members in _kinds(made).items():
            if verify or (verify is None and kind not in model.verified):
                cell = random.Random(seed).choice(members)
                try:
                    agree(forward(model, inputs, (), cell.writes, made.logits, made.record), metric, values[cell.index], cell)
                except SondeError:
                    if kind != "stacked" or model.n_layers:
                        raise
                    # a module of no known family may let the rows of a batch meet
                    for one in members:
                        values[one.index] = measured(metric, forward(model, inputs, (), one.writes, made.logits, made.record))
                    model.verified.add(ALONE)
                    notes[f"{SINGLY}: stacked along the batch they gave other values"] = None
                model.verified.add(kind)
    names = tuple(" and ".join(map(str, cell)) for cell in cells)
    return Sweep(values, base, names, made.plan, tuple(notes))


def _prepare(model: "Model", inputs: Inputs, given: Sequence[Sequence[Write]], metric: Metric, batch_size: int | Literal["auto"]) -> _Prepared:
    if not given or not all(given):
        raise InputError("a sweep needs at least one edit, and every cell at least one")
    batch_size = checked(batch_size)
    every = [write for cell in given for write in cell]
    logits, record = logits_kept(model, logits_for(metric), [write.site for write in every]), needs_recording(model, every)
    plainly = why_plain(model, inputs)
    cells = [enter(model, i, writes, not plainly) for i, writes in enumerate(given)]
    entries = sorted({cell.entry for cell in cells if cell.entry != PLAIN})
    recorded, rows = Recorded(), inputs.rows
    why_all = why_all_columns(model, record) if entries and rows is not None else "there is nothing to reuse"
    reading = needs_values(cells) if entries and rows is not None and _fits(model, inputs, cells) else []
    with contextlib.ExitStack() as stack:
        if entries:
            stack.enter_context(recording(model, recorded, entries[0], entries, keys=not why_all))
        base = forward(model, inputs, reading, (), logits, record)
    why_all = why_all or sliceable(recorded)
    columns = columns_read(metric, inputs)
    causal = model.n_layers > 0 and model.architecture.causal
    mattering = []
    for cell in cells:
        start = 0 if rows is None or cell.entry == PLAIN else changes_from(model, cell, base, rows)
        if start is None or (causal and columns is not None and start > max(columns)):
            continue
        keep = not why_all and cell.entry != PLAIN and cell.last < model.n_layers
        mattering.append(replace(cell, start=start if keep else 0))
    narrow = not why_all and columns is not None and len(set(columns)) == 1
    found = passes(model, mattering, inputs, batch_size, tokens_within(model, inputs, record), narrow)
    tokens = getattr(metric, "rows", None)
    read = model.architecture.d_vocab if tokens is None else len(tokens)
    wide = inputs.ids.shape[1] if columns is None and inputs.ids is not None else 1
    plan = predicted(model, len(cells), found, inputs, narrow, record, read * wide)
    notes = list(base.notes)
    if plainly and model.n_layers:
        notes.append(f"every cell is a whole forward: {plainly}")
    if why_all and entries and rows is not None and causal:
        notes.append(f"positions left of an edit are computed again: {why_all}")
    return _Prepared(base, recorded, cells, found, columns, narrow, logits, record, plan, notes)


def _run(model: "Model", made: _Prepared, one: Pass, inputs: Inputs) -> tuple[list[Run], Sequence[str]]:
    """A run for each cell of a pass."""
    if one.entry != PLAIN:
        return replay(model, made.recorded, one, inputs, made.columns, made.narrow, made.record)
    if len(one.cells) == 1:
        run = forward(model, inputs, (), one.cells[0].writes, made.logits, made.record)
        return [run], run.notes
    try:
        if ALONE in model.verified:
            raise Unstackable("stacked along the batch they gave other values before")
        return _stacked(model, made, one, inputs)
    except Exception as error:  # of stacking, which not every module bears; an error of an edit comes again
        runs = [run for cell in one.cells for run in _run(model, made, Pass([cell]), inputs)[0]]
        return runs, [*runs[0].notes, f"{SINGLY}: {error}"]


def _stacked(model: "Model", made: _Prepared, one: Pass, inputs: Inputs) -> tuple[list[Run], Sequence[str]]:
    """A run for each cell of a pass of whole forwards, with the cells stacked along the rows."""
    rows = [slice(k * inputs.batch, (k + 1) * inputs.batch) for k in range(len(one.cells))]
    writes = [write.within(part) for cell, part in zip(one.cells, rows, strict=True) for write in cell.writes]
    run = forward(model, inputs.repeat(len(one.cells)), (), writes, made.logits, made.record)
    columns = made.base.columns
    return [Run({}, run.logits[part], inputs, run.kernel, (), columns) for part in rows], run.notes


def columns_read(metric: Metric, inputs: Inputs) -> tuple[int, ...] | None:
    """The column of each row whose logits a metric reads; `None` where it does not say."""
    pos = getattr(metric, "pos", None)
    if not isinstance(pos, int) or inputs.rows is None:
        return None
    return tuple(inputs.rows.columns(row, pos, Site("logits"))[0] for row in range(inputs.batch))


def why_plain(model: "Model", inputs: Inputs) -> str:
    """Why no cell may enter at its block: what there is besides blocks, final norm and unembedding, or no memory to keep what entered them; nothing
    where there is no such thing."""
    if not model.n_layers or not model.architecture.unembed:
        return "this module has no known stack of blocks that ends in an unembedding"
    parts = model.architecture.blocks.split(".")
    around = [model.module.get_submodule(".".join(parts[:depth])) for depth in range(len(parts))]
    if any(module._forward_hooks or module._forward_pre_hooks for module in around):
        return "a hook of your own is on a module around the blocks"
    if kept_bytes(model, inputs) > free_bytes(model):
        return "what entered each block does not fit into memory; give fewer examples at a time"
    return ""


def why_all_columns(model: "Model", record: bool) -> str:
    """Why the positions left of an edit can't be left out, as far as it is known before the forward."""
    arch = model.architecture
    kernel = "eager" if record or arch.kernel is None else arch.kernel.name(model.module)
    if not (model.n_layers and arch.causal):
        return "this model looks at both sides"
    if kernel not in ("eager", "sdpa"):
        return f"it is not known how the attention kernel {kernel!r} aligns a part of the queries"
    blocks = [model.block(i) for i in range(model.n_layers)]
    if not all(cache_name(block) for block in blocks):
        return "its blocks take no key-value cache"
    if any(module._forward_hooks or module._forward_pre_hooks for block in blocks for module in block.modules()):
        return "a hook of your own is inside a block"
    return ""


def _fits(model: "Model", inputs: Inputs, cells: Sequence[Cell]) -> bool:
    """Whether the unedited values at all sites may be held to see what the cells change."""
    assert inputs.ids is not None
    arch, length = model.architecture, inputs.ids.shape[1]
    widest = max(arch.d_model, arch.d_mlp, arch.n_heads * length)
    return len(needs_values(cells)) * inputs.batch * length * widest * 4 <= WORKING_SET


def _kinds(made: _Prepared) -> Mapping[str, list[Cell]]:
    """The cells by the kind of shortcut that was taken for them."""
    found: dict[str, list[Cell]] = {}
    inside = {cell.index for one in made.passes for cell in one.cells}
    for one in made.passes:
        kind = "stacked" if one.entry == PLAIN else "columns" if one.start else "replayed"
        found.setdefault(kind, []).extend(one.cells)
    if skipped := [cell for cell in made.cells if cell.index not in inside]:
        found["skipped"] = skipped
    return found


def agree(run: Run, metric: Metric, value: Tensor, cell: Cell) -> None:
    """Hold a planned value against the same cell as a plain hooked forward.

    Arguments:
        run: the plain forward.
        metric: what is measured.
        value: what the plan gave.
        cell: the edits.

    Raises:
        SondeError: they differ by more than rounding.
    """
    plain = measured(metric, run)
    bound = BOUND.get(run.logits.dtype, BOUND_HALF) * max(1.0, run.logits.nan_to_num(0, 0, 0).abs().max().item())
    if not torch.allclose(value, plain, rtol=0, atol=bound, equal_nan=True):
        raise SondeError(
            f"the planned sweep gives {value.tolist()} where a plain forward gives {plain.tolist()} for {cell.writes[0].edit!r}: "
            "please report this model family, and use a plain run for each edit"
        )


def _key(model: "Model", inputs: Inputs, cells: Sequence[Sequence[Write]], metric: Metric, batch_size: int | Literal["auto"]) -> str:
    """What a sweep that can be resumed is recognised by: everything that decides its values."""
    for write in (write for cell in cells for write in cell):
        if isinstance(write.edit, Apply) or not hasattr(write.edit, "hash"):
            raise InputError(f"{write.edit!r} can't be recognised when a sweep is resumed: use an edit that is data, or leave folder out")
    if not is_dataclass(metric):
        raise InputError(f"{metric!r} can't be recognised when a sweep is resumed: use a metric of sonde.tasks, or leave folder out")
    asked = [type(metric).__name__, {f.name: getattr(metric, f.name) for f in fields(metric)}]
    edits = [[write.edit.hash for write in cell] for cell in cells]
    return content_hash([model.hash, inputs.ids, inputs.mask, list(inputs.args), dict(inputs.kwargs), edits, asked, str(batch_size)])
