"""Many edits, one at a time, planned instead of looped.

A forward under an edit at block l equals the unedited one below l. So the unedited model runs once, each block's own arguments are
recorded, and the cells that enter at the same block are stacked along the batch and sent through the model's own blocks from there on. The
result equals one plain hooked forward per edit (relative 1e-5 in float32); the first sweep of a model proves it on one cell drawn at random.

The work is counted in rows x blocks: a grid over all L layers costs about half of L forwards per cell.
"""

import contextlib
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from sonde.access.edits import Edit
from sonde.access.forward import Logits, Metric, _needs_recording, evaluation, forward, logits_for, measured
from sonde.access.inputs import Inputs
from sonde.access.run import Plan, Run, Sweep
from sonde.access.sites import Site
from sonde.access.tape import Tape, Write, unwrap
from sonde.results import InputError, SondeError

if TYPE_CHECKING:
    from sonde.access.model import Model

PLAIN = -1  # the entry of a cell that needs a whole forward
TOKENS_PER_PASS = 4096  # matrices of some thousand rows use a processor as well as larger ones, and fit its caches better


@dataclass
class _Calls:
    """What the blocks were called with in the unedited forward."""

    hidden: dict[int, Tensor] = field(default_factory=dict)
    rest: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=dict)


def sweep(
    model: "Model", inputs: Inputs, edits: Iterable[Edit | Sequence[Edit]], metric: Metric,
    batch_size: int | Literal["auto"] = "auto", verify: bool | None = None, seed: int = 0,
) -> Sweep:  # fmt: skip
    """The metric under each edit (or list of edits), for each example; see `Model.sweep`."""
    cells = [[Write(e.site, e) for e in ([cell] if isinstance(cell, Edit) else cell)] for cell in edits]
    if not cells or not all(cells):
        raise InputError("a sweep needs at least one edit, and every cell at least one")
    logits = logits_for(metric)
    by_entry: dict[int, list[int]] = defaultdict(list)
    planned = []
    for i, cell in enumerate(cells):
        entry, writes = _enter(model, cell)
        by_entry[entry].append(i)
        planned.append(writes)
    record = any(_records(model, writes) for writes in planned)
    values = torch.empty(len(cells), inputs.batch, device=inputs.ids.device if inputs.ids is not None else None)
    with evaluation(model.module), torch.no_grad():
        calls = _Calls()
        with _recording_calls(model, calls, [e for e in by_entry if e != PLAIN]):
            base_run = forward(model, inputs, (), (), logits, record)
        base = measured(metric, base_run).detach()
        passes = work = 0
        per_pass = _cells_per_pass(model, inputs, batch_size)
        for entry, members in sorted(by_entry.items()):
            for start in range(0, len(members), per_pass):
                chunk = members[start : start + per_pass]
                stacked = inputs.repeat(len(chunk))
                rows = [slice(k * inputs.batch, (k + 1) * inputs.batch) for k in range(len(chunk))]
                writes = [Write(w.site, w.edit, r) for i, r in zip(chunk, rows, strict=True) for w in planned[i]]
                out = (
                    _plain(model, stacked, writes, logits, record)
                    if entry == PLAIN
                    else _replay(model, calls, entry, stacked, inputs.batch, writes, logits, record)
                )
                for i, r in zip(chunk, rows, strict=True):
                    values[i] = measured(metric, Run({}, out[r], inputs, base_run.tokens, base_run.kernel, (), last=logits == "last"))
                passes += 1
                work += stacked.batch * (model.architecture.n_layers - max(entry, 0))
        kind = f"replay of {model.architecture.family}"
        replayed = [i for entry, members in by_entry.items() if entry != PLAIN for i in members]
        if replayed and (verify or (verify is None and kind not in model.verified)):
            _verify(model, inputs, cells[random.Random(seed).choice(replayed)], metric, logits, record, cells, values)
            model.verified.add(kind)
    naive = len(cells) * inputs.batch * model.architecture.n_layers
    plan = Plan(len(cells), len(replayed), len(by_entry[PLAIN]), passes, work, naive)
    return Sweep(values, base, tuple(" and ".join(repr(w.edit) for w in cell) for cell in cells), plan)


def _enter(model: "Model", cell: Sequence[Write]) -> tuple[int, list[Write]]:
    """The block at which a cell enters, and its writes; the residual stream leaving a block is the one entering the next."""
    arch, writes, entries = model.architecture, [], []
    for write in cell:
        spec = model.locate(write.site.name)
        if spec.name.endswith(".resid_post") and spec.name in arch.sites and spec.block + 1 < arch.n_layers:
            name = f"blocks.{spec.block + 1}.resid_pre"
            write = Write(Site(name, write.site.select), write.edit)
            spec = model.locate(name)
        writes.append(write)
        entries.append(PLAIN if spec.name == "logits" else spec.block)
    return (min(entries) if arch.blocks else PLAIN), writes


@contextlib.contextmanager
def _recording_calls(model: "Model", calls: _Calls, entries: Sequence[int]) -> Iterator[None]:
    """Record what every block from the lowest entry on is called with, and the hidden state where cells enter."""
    if not entries:
        yield
        return
    with contextlib.ExitStack() as stack:
        for i in range(min(entries), model.architecture.n_layers):

            def hook(module: Any, args: tuple, kwargs: dict[str, Any], i: int = i) -> None:
                hidden, *rest = args
                calls.rest[i] = tuple(rest), kwargs
                if i in entries:
                    calls.hidden[i] = hidden.clone()

            stack.callback(model.block(i).register_forward_pre_hook(hook, with_kwargs=True).remove)
        if model.architecture.n_layers in entries:

            def after(module: Any, args: tuple, output: Any) -> None:
                calls.hidden[model.architecture.n_layers] = unwrap(output).clone()

            stack.callback(model.block(model.architecture.n_layers - 1).register_forward_hook(after).remove)
        yield


def _replay(model: "Model", calls: _Calls, entry: int, stacked: Inputs, batch: int, writes: Sequence[Write], logits: Logits, record: bool) -> Tensor:
    """The model's own blocks from `entry` on, then its own final norm and unembedding, with the cells stacked along the batch."""
    times = stacked.batch // batch
    tape = Tape(model.module, model.architecture, model.locate, stacked.rows)
    for write in writes:
        tape.write(write)
    with tape.running(force_recording=record):
        hidden = calls.hidden[entry].repeat(times, 1, 1)
        for i in range(entry, model.architecture.n_layers):
            rest, kwargs = calls.rest[i]
            hidden = unwrap(model.block(i)(hidden, *_stack(rest, batch, times), **_stack(kwargs, batch, times)))
        out = model.unembed(hidden, stacked.rows if logits == "last" else None)
    tape.finish()
    return out


def _plain(model: "Model", stacked: Inputs, writes: Sequence[Write], logits: Logits, record: bool) -> Tensor:
    return forward(model, stacked, (), writes, logits, record).logits


def _stack(value: Any, batch: int, times: int) -> Any:
    """Repeat what belongs to the rows of the batch; what is shared by all rows (one row, or no row axis) stays as it is."""
    if isinstance(value, Tensor):
        return value.repeat(times, *[1] * (value.ndim - 1)) if value.ndim > 1 and value.shape[0] == batch and batch > 1 else value
    if isinstance(value, tuple | list):
        return type(value)(_stack(v, batch, times) for v in value)
    if isinstance(value, dict):
        return {k: _stack(v, batch, times) for k, v in value.items()}
    return value


def _records(model: "Model", writes: Sequence[Write]) -> bool:
    tape = Tape(model.module, model.architecture, model.locate)
    for write in writes:
        tape.write(write)
    return tape.records or _needs_recording(writes, model)


def _cells_per_pass(model: "Model", inputs: Inputs, batch_size: int | str) -> int:
    """How many cells are stacked into one pass."""
    if batch_size == "auto":
        length = inputs.ids.shape[1] if inputs.ids is not None else 1
        rows = max(1, TOKENS_PER_PASS // length) if model.architecture.blocks else 16
    elif isinstance(batch_size, int) and batch_size >= 1:
        rows = batch_size
    else:
        raise InputError(f"batch_size={batch_size!r}: use 'auto' or a number of rows from 1 on")
    return max(1, rows // inputs.batch)


def _verify(
    model: "Model",
    inputs: Inputs,
    cell: Sequence[Write],
    metric: Metric,
    logits: Logits,
    record: bool,
    cells: Sequence[Sequence[Write]],
    values: Tensor,
) -> None:
    """Repeat one cell as a plain hooked forward and compare."""
    run = forward(model, inputs, (), cell, logits, record)
    plain, planned = measured(metric, run), values[[c is cell for c in cells].index(True)]
    bound = (1e-5 if run.logits.dtype == torch.float32 else 1e-9 if run.logits.dtype == torch.float64 else 5e-2) * max(
        1.0, run.logits.abs().max().item()
    )
    off = (plain - planned).abs().max().item()
    if not off <= bound:
        raise SondeError(
            f"the planned sweep gives {planned.tolist()} where a plain forward gives {plain.tolist()} for {cell[0].edit!r}: please report this model family"
        )
