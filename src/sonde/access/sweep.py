"""Many edits, one at a time, planned instead of looped.

A forward under an edit at block l equals the unedited one below l. So the unedited model runs once, each block's own arguments are
recorded, and the cells that enter at the same block are stacked along the batch and sent through the model's own blocks from there on. The
result equals one plain hooked forward per edit (relative 1e-5 in float32); the first sweep of a model proves it on a cell drawn at random.

The work is counted in rows x blocks: a grid over all L layers costs about half of L forwards per cell.
"""

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from sonde.access.forward import Logits, Metric, evaluation, forward, logits_for, logits_kept, measured, needs_recording
from sonde.access.inputs import Inputs
from sonde.access.outputs import unwrap
from sonde.access.run import Plan, Run, Sweep
from sonde.access.sites import Site
from sonde.access.tape import Tape, Write
from sonde.jobs import rows_within
from sonde.results import InputError, SondeError, shown

if TYPE_CHECKING:
    from sonde.access.model import Model

PLAIN = -1  # the entry of a cell that needs a whole forward
TOKENS_PER_PASS = 4096  # matrices of some thousand rows use a processor as well as larger ones, and fit its caches better
ROWS_PER_PASS = 16  # where the inputs are no tokens

# how far a stacked computation may lie from a plain one, relative to the largest logit: other shapes sum in another order
BOUND = {torch.float64: 1e-9, torch.float32: 1e-5}
BOUND_HALF = 5e-2


@dataclass(frozen=True)
class _Cell:
    """One cell of the sweep.

    Arguments:
        writes: as they were given.
        entry: the block at which the cell leaves the unedited forward, or `PLAIN`.
        planned: the writes, those between two blocks moved to the second one's entrance.
    """

    writes: Sequence[Write]
    entry: int
    planned: Sequence[Write]


@dataclass
class _Calls:
    """What the blocks were called with in the unedited forward."""

    hidden: dict[int, Tensor] = field(default_factory=dict)
    rest: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=dict)


def sweep(
    model: "Model", inputs: Inputs, cells: Sequence[Sequence[Write]], metric: Metric, batch_size: int | Literal["auto"], verify: bool | None,
    seed: int,
) -> Sweep:  # fmt: skip
    """The metric under each cell's writes, for each example; see `Model.sweep`."""
    if not cells or not all(cells):
        raise InputError("a sweep needs at least one edit, and every cell at least one")
    every = [write for cell in cells for write in cell]
    logits, record = logits_kept(model, logits_for(metric), [write.site for write in every]), needs_recording(model, every)
    plan = [_enter(model, cell) for cell in cells]
    entries = sorted({cell.entry for cell in plan})
    depth = max(1, model.n_layers)
    calls = _Calls()
    with evaluation(model.module), torch.no_grad():
        with _recording_calls(model, calls, [entry for entry in entries if entry != PLAIN]):
            base_run = forward(model, inputs, (), (), logits, record)
        base = measured(metric, base_run).detach()
        values = base.new_empty(len(cells), inputs.batch)
        per_pass = _cells_per_pass(model, inputs, logits, record, batch_size)
        passes = work = 0
        notes = dict.fromkeys(base_run.notes)
        for entry in entries:
            members = [i for i, cell in enumerate(plan) if cell.entry == entry]
            for start in range(0, len(members), per_pass):
                chunk = members[start : start + per_pass]
                rows = [slice(k * inputs.batch, (k + 1) * inputs.batch) for k in range(len(chunk))]
                writes = [w.within(part) for i, part in zip(chunk, rows, strict=True) for w in plan[i].planned]
                stacked = inputs.repeat(len(chunk))
                if entry == PLAIN:
                    run = forward(model, stacked, (), writes, logits, record)
                else:
                    run = _replay(model, calls, entry, stacked, len(chunk), writes, logits, record)
                notes |= dict.fromkeys(run.notes)
                for i, part in zip(chunk, rows, strict=True):
                    values[i] = measured(metric, Run({}, run.logits[part], inputs, base_run.kernel, (), last=logits == "last"))
                passes += 1
                work += stacked.batch * (depth - max(entry, 0))
        for kind in ("replayed", "stacked"):
            members = [i for i, cell in enumerate(plan) if (cell.entry != PLAIN) == (kind == "replayed")]
            if members and (verify or (verify is None and kind not in model.verified)):
                i = random.Random(seed).choice(members)
                _verify(forward(model, inputs, (), plan[i].writes, logits, record), metric, values[i], plan[i])
                model.verified.add(kind)
    replayed = sum(cell.entry != PLAIN for cell in plan)
    naive = len(cells) * inputs.batch * depth
    names = tuple(" and ".join(map(str, cell)) for cell in cells)
    return Sweep(values, base, names, Plan(len(cells), replayed, len(cells) - replayed, passes, work, naive), tuple(notes))


def _enter(model: "Model", writes: Sequence[Write]) -> _Cell:
    """Where a cell enters; the residual stream leaving a block is the one entering the next."""
    arch, moved, others, entries = model.architecture, [], [], []
    specs = [model.locate(write.site.name) for write in writes]
    coordinates = {spec.point for spec in specs if spec.base is not None}  # what is written after the stream, at the same point
    for write, spec in zip(writes, specs, strict=True):
        leaving = spec.name in arch.sites and spec.name.endswith(".resid_post") and spec.block + 1 < arch.n_layers and spec.point not in coordinates
        # a hook of the user's on entering the next block comes between
        if leaving and not model.block(spec.block + 1)._forward_pre_hooks:
            name = f"blocks.{spec.block + 1}.resid_pre"
            moved.append(replace(write, site=Site(name, write.site.select)))
            entries.append(spec.block + 1)
        else:
            others.append(write)
            entries.append(PLAIN if spec.point.module == "" else spec.block)
    # what is written on leaving a block comes before what is written on entering the next
    return _Cell(writes, min(entries), [*moved, *others]) if _replayable(model) else _Cell(writes, PLAIN, writes)


def _replayable(model: "Model") -> bool:
    """Whether blocks, final norm and unembedding are all there is; a hook of the user's on a module around the blocks is more."""
    if not model.n_layers or not model.architecture.unembed:
        return False
    parts = model.architecture.blocks.split(".")
    around = [model.module.get_submodule(".".join(parts[:depth])) for depth in range(len(parts))]
    return not any(module._forward_hooks or module._forward_pre_hooks for module in around)


@contextlib.contextmanager
def _recording_calls(model: "Model", calls: _Calls, entries: Sequence[int]) -> Iterator[None]:
    """Record what every block from the lowest entry on is called with, and the hidden state where cells enter."""
    with contextlib.ExitStack() as stack:
        for i in range(min(entries, default=model.n_layers), model.n_layers):

            def entering(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], i: int = i) -> None:
                hidden, *rest = args
                calls.rest[i] = tuple(rest), kwargs
                if i in entries:
                    calls.hidden[i] = hidden.clone()

            # before any other hook of the block: those are called again in the replay
            stack.callback(model.block(i).register_forward_pre_hook(entering, with_kwargs=True, prepend=True).remove)
        if model.n_layers in entries:

            def leaving(module: Any, args: tuple[Any, ...], output: Any) -> None:
                calls.hidden[model.n_layers] = unwrap(output).clone()

            stack.callback(model.block(model.n_layers - 1).register_forward_hook(leaving).remove)
        yield


def _replay(
    model: "Model", calls: _Calls, entry: int, stacked: Inputs, times: int, writes: Sequence[Write], logits: Logits, record: bool
) -> Run:  # fmt: skip
    """The model's own blocks from `entry` on, then its own final norm and unembedding, with the cells stacked along the batch."""
    batch = stacked.batch // times
    tape = Tape(model.module, model.architecture, model.locate, stacked.rows)
    for write in writes:
        tape.write(write)
    with tape.running(force_recording=record):
        hidden = calls.hidden[entry].repeat(times, 1, 1)
        for i in range(entry, model.n_layers):
            rest, kwargs = calls.rest[i]
            hidden = unwrap(model.block(i)(hidden, *_stack(rest, batch, times), **_stack(kwargs, batch, times)))
        out = model.unembed(hidden, stacked.rows if logits == "last" else None)
    tape.finish()
    return Run({}, out, stacked, "", tuple(tape.notes), last=logits == "last")


def _stack(value: Any, batch: int, times: int) -> Any:
    """Repeat what belongs to the rows of the batch; what is shared by all rows (one row, or no row axis) stays as it is."""
    if isinstance(value, Tensor):
        by_row = value.ndim > 1 and value.shape[0] == batch and batch > 1
        by_head = value.ndim == 3 and value.shape[0] > batch and value.shape[0] % batch == 0  # BLOOM's biases: (batch head) 1 pos
        return value.repeat(times, *[1] * (value.ndim - 1)) if by_row or by_head else value
    if isinstance(value, tuple | list):
        return type(value)(_stack(v, batch, times) for v in value)
    if isinstance(value, dict):
        return {k: _stack(v, batch, times) for k, v in value.items()}
    return value


def _cells_per_pass(model: "Model", inputs: Inputs, logits: Logits, record: bool, batch_size: int | Literal["auto"]) -> int:
    """How many cells are stacked into one pass."""
    if model.architecture.rows_meet:
        return 1
    if isinstance(batch_size, int) and not isinstance(batch_size, bool) and batch_size >= 1:
        rows = batch_size
    elif batch_size != "auto":
        raise InputError(f"batch_size={shown(batch_size)}: use 'auto' or a number of rows from 1 on")
    elif inputs.ids is None:
        rows = ROWS_PER_PASS
    else:
        length = inputs.ids.shape[1]
        fitting = rows_within(_bytes_per_row(model, length, logits, record)) if model.device.type == "cpu" else TOKENS_PER_PASS
        rows = min(fitting, TOKENS_PER_PASS // length)
    return max(1, rows // inputs.batch)


def _bytes_per_row(model: "Model", length: int, logits: Logits, record: bool) -> int:
    """What one row takes at the fullest moment: inside a block, or at the logits with a metric's copy of them."""
    arch = model.architecture
    inside = length * (8 * arch.d_model + 4 * arch.d_mlp) + (4 * arch.n_heads * length**2 if record else 0)
    at_logits = 3 * arch.d_vocab * (1 if logits == "last" else length)
    return 8 * max(1, inside, at_logits)


def _verify(run: Run, metric: Metric, planned: Tensor, cell: _Cell) -> None:
    """Compare a planned value with the same cell as a plain hooked forward."""
    plain = measured(metric, run)
    bound = BOUND.get(run.logits.dtype, BOUND_HALF) * max(1.0, run.logits.nan_to_num(0, 0, 0).abs().max().item())
    if not torch.allclose(planned, plain, rtol=0, atol=bound, equal_nan=True):
        raise SondeError(
            f"the planned sweep gives {planned.tolist()} where a plain forward gives {plain.tolist()} for {cell.writes[0].edit!r}: "
            "please report this model family, and use a plain run for each edit"
        )
