"""Which cells go through the model together: the batches of a sweep, under a memory budget, and what they cost.

A pass computes the columns from the earliest start of its cells on, and each cell joins it at its own block. Putting two cells together saves calls
and makes the matrices fatter; it costs columns that only one of them needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from sonde.access.engine.cells import PLAIN, Cell
from sonde.access.inputs import Inputs
from sonde.access.run import Plan
from sonde.jobs import rows_within
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access.model import Model

# What calling a block costs whatever it computes, in tokens of work: thin matrices use a processor badly. Measured for matrix products of GPT-2
# small's shapes on one thread of a CPU: 32 rows reach two thirds of the rate of 1024. An accelerator is idle until there are some thousand.
CALL = {"cpu": 16}
CALL_ELSEWHERE = 1024

WORKING_SET = 64 * 2**20  # bytes of activations on a CPU: more is no faster, once matrices are fat, and leaves its caches
ROWS_PER_PASS = 16  # where the sizes are not known, or the inputs are no tokens


@dataclass(frozen=True)
class Pass:
    """Cells that go through the model together, those that enter first in front.

    Arguments:
        cells: the cells.
        start: the first column that is computed.
    """

    cells: Sequence[Cell]
    start: int = 0

    @property
    def entry(self) -> int:
        """The block at which the first of the cells enters, or `PLAIN`."""
        return self.cells[0].entry


def passes(model: "Model", cells: Sequence[Cell], inputs: Inputs, batch_size: int | Literal["auto"], tokens: int, narrow: bool) -> list[Pass]:
    """Divide the cells of a sweep.

    Arguments:
        model, inputs: what is swept.
        cells: those that can matter.
        batch_size: rows in a pass, or "auto".
        tokens: how many tokens fit into a pass.
        narrow: the last block computes one column, which cells that write in it can't share.
    """
    length = inputs.ids.shape[1] if inputs.ids is not None else 0
    depth = model.n_layers
    kinds: dict[tuple[bool, bool], list[Cell]] = {}
    for cell in cells:
        kinds.setdefault((cell.entry == PLAIN, cell.entry != PLAIN and narrow and cell.last >= depth - 1), []).append(cell)
    found = []
    for (plain, _), members in sorted(kinds.items()):
        groups = [members] if plain else _alike(members, depth, inputs.batch, CALL.get(model.device.type, CALL_ELSEWHERE))
        for group in groups:
            if model.architecture.rows_meet:
                size = 1
            elif batch_size == "auto":
                columns = length - min(cell.start for cell in group)
                size = tokens // (inputs.batch * columns) if length else ROWS_PER_PASS // inputs.batch
            else:
                size = batch_size // inputs.batch
            size, ordered = max(1, size), sorted(group, key=lambda cell: (cell.start, cell.entry))
            for chunk in (ordered[i : i + size] for i in range(0, len(ordered), size)):
                found.append(Pass(sorted(chunk, key=lambda cell: cell.entry), 0 if plain else min(cell.start for cell in chunk)))
    return found


def _alike(cells: Sequence[Cell], depth: int, batch: int, call: int) -> list[list[Cell]]:
    """Cells by where they start, neighbours together as long as the columns that this adds cost less than the calls that it saves."""
    starts: dict[int, list[Cell]] = {}
    for cell in cells:
        starts.setdefault(cell.start, []).append(cell)
    groups: list[list[Cell]] = []
    work = 0  # of a column of the last group: rows x blocks
    for start in sorted(starts, reverse=True):
        members = starts[start]
        blocks = depth - min(cell.entry for cell in members)
        if groups and work * (groups[-1][0].start - start) <= call * blocks:
            groups[-1] = members + groups[-1]  # the earliest start stays in front
        else:
            groups.append(members)
            work = 0
        work += batch * sum(depth - cell.entry for cell in members)
    return groups


def tokens_within(model: "Model", inputs: Inputs, record: bool) -> int:
    """How many tokens fit into a pass: what a block takes for them must stay within the working set, and within the memory that is free."""
    if inputs.ids is None:
        return 0
    length = inputs.ids.shape[1]
    if not model.architecture.d_model:
        return ROWS_PER_PASS * length
    arch, size = model.architecture, next(model.module.parameters()).element_size()
    per_token = size * (8 * arch.d_model + 5 * arch.d_mlp + (4 * arch.n_heads * length if record else 0))
    if model.device.type == "cuda":
        return max(1, torch.cuda.mem_get_info(model.device)[0] // 4 // per_token)
    return max(1, min(WORKING_SET, rows_within(1)) // per_token)


def predicted(
    model: "Model", cells: int, found: Sequence[Pass], inputs: Inputs, narrow: bool, record: bool, reused: int, logits: int
) -> Plan:  # fmt: skip
    """What the passes will cost, counted before they run.

    Arguments:
        model, inputs: what is swept.
        cells: how many were asked for; those that are in no pass can't matter.
        found: the passes.
        narrow: the last block computes one column only.
        record: attention is computed by the recording function.
        reused: columns whose keys and values are kept.
        logits: rows of the unembedding that one cell's metric reads, times positions.
    """
    length = inputs.ids.shape[1] if inputs.ids is not None else 1
    depth, batch = max(1, model.n_layers), inputs.batch
    tokens = rows = peak = 0
    for one in found:
        columns = length - one.start
        blocks = sum(depth - max(cell.entry, 0) for cell in one.cells)
        tokens += batch * columns * blocks
        if narrow and all(cell.entry > PLAIN and cell.last < depth - 1 for cell in one.cells):
            # of the last block's work on the other columns a quarter is left: their keys and values
            tokens -= int(0.75 * batch * (columns - 1) * len(one.cells))
        rows += len(one.cells)
        peak = max(peak, batch * columns * len(one.cells))
    arch = model.architecture
    weights = sum(p.numel() for p in model.block(0).parameters() if p.ndim > 1) if model.n_layers else 0
    attention = 2 * arch.n_heads * arch.d_head * length  # scores and mixing, for a query that sees half of the keys
    operations = 2 * tokens * (weights + attention // 2) + 2 * rows * batch * logits * arch.d_model
    naive = 2 * cells * batch * length * (depth * (weights + attention // 2) + arch.d_model * arch.d_vocab)
    size = next((p.element_size() for p in model.module.parameters()), 4)
    per_token = 8 * arch.d_model + 5 * arch.d_mlp + (4 * arch.n_heads * length if record else 0)
    kept = batch * length * arch.d_model * (depth + 1) + 2 * batch * reused * arch.n_kv_heads * arch.d_head * depth
    plain = sum(cell.entry == PLAIN for one in found for cell in one.cells)
    return Plan(
        cells=cells, skipped=cells - rows, replayed=rows - plain, plain=plain, passes=len(found), block_tokens=tokens,
        naive_block_tokens=cells * batch * length * depth, operations=operations, naive_operations=naive, memory=size * (peak * per_token + kept),
    )  # fmt: skip


def checked(batch_size: int | Literal["auto"]) -> int | Literal["auto"]:
    """A batch size that can be used."""
    if batch_size != "auto" and not (isinstance(batch_size, int) and batch_size >= 1):
        raise InputError(f"batch_size={batch_size!r}: use 'auto' or a number of rows from 1 on")
    return batch_size
