"""What a sweep costs, in operations and in memory, counted before it runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from sonde.access.engine.cells import PLAIN
from sonde.access.engine.passes import ROWS_PER_PASS, Pass
from sonde.access.inputs import Inputs
from sonde.access.run import Plan
from sonde.jobs import rows_within

if TYPE_CHECKING:
    from sonde.access.model import Model

WORKING_SET = 32 * 2**20  # bytes of activations on a CPU: more is hardly faster once matrices are fat, and is memory that a sweep adds to a forward


def tokens_within(model: "Model", inputs: Inputs, record: bool) -> int:
    """How many tokens fit into a pass: what a block takes for them must stay within the working set, and within the memory that is free."""
    if inputs.ids is None:
        return 0
    length = inputs.ids.shape[1]
    if not model.architecture.d_model:
        return ROWS_PER_PASS * length
    budget, token = free_bytes(model) // 2, _bytes_per_token(model, length, record)
    fitting = budget // (token + _bytes_of_coordinates(model))
    return max(1, fitting if model.device.type == "cuda" else min(WORKING_SET // token, fitting))


def free_bytes(model: "Model") -> int:
    """What a sweep may take of the memory of the model's device: half of what is free."""
    return torch.cuda.mem_get_info(model.device)[0] // 2 if model.device.type == "cuda" else rows_within(1)


def kept_bytes(model: "Model", inputs: Inputs) -> int:
    """What it takes to keep the hidden states that entered the blocks, with the keys and values of their attention."""
    arch = model.architecture
    tokens = 0 if inputs.ids is None else inputs.ids.numel()
    return _bytes_per_number(model) * tokens * (arch.d_model * (arch.n_layers + 1) + 2 * arch.n_kv_heads * arch.d_head * arch.n_layers)


def _bytes_per_token(model: "Model", length: int, record: bool) -> int:
    """What one token takes inside a block, its activation function's intermediate values included."""
    arch = model.architecture
    return _bytes_per_number(model) * (8 * arch.d_model + 5 * arch.d_mlp + (4 * arch.n_heads * length if record else 0))


def _bytes_of_coordinates(model: "Model") -> int:
    """What one token takes where the widest of the attached bases is written: its coordinates before and after, and copies of them."""
    sizes = [basis.size for basis in model.bases.values()]
    return _bytes_per_number(model) * 5 * max(sizes, default=0)


def _bytes_per_number(model: "Model") -> int:
    return next((p.element_size() for p in model.module.parameters()), 4)


def predicted(
    model: "Model", cells: int, found: Sequence[Pass], inputs: Inputs, narrow: bool, record: bool, logits: int
) -> Plan:  # fmt: skip
    """What the passes will cost, counted before they run.

    Arguments:
        model, inputs: what is swept.
        cells: how many were asked for; those that are in no pass can't matter.
        found: the passes.
        narrow: the last block computes one column only.
        record: attention is computed by the recording function.
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
    plain = sum(cell.entry == PLAIN for one in found for cell in one.cells)
    return Plan(
        cells=cells, skipped=cells - rows, replayed=rows - plain, plain=plain, passes=len(found), block_tokens=tokens,
        naive_block_tokens=cells * batch * length * depth, operations=operations, naive_operations=naive,
        memory=peak * _bytes_per_token(model, length, record) + (kept_bytes(model, inputs) if rows > plain else 0),
    )  # fmt: skip
