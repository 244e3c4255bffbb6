"""Which cells go through the model together: the batches of a sweep.

A pass computes the columns from the earliest start of its cells on, and each cell joins it at its own block. Putting two cells together saves calls
and makes the matrices fatter; it costs columns that only one of them needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sonde.access.engine.cells import PLAIN, Cell
from sonde.access.inputs import Inputs
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access.model import Model

# What calling a block costs whatever it computes, in tokens of work: thin matrices use a processor badly. Measured for matrix products of GPT-2
# small's shapes on one thread of a CPU: 32 rows reach two thirds of the rate of 1024. An accelerator is idle until there are some thousand.
CALL = {"cpu": 16}
CALL_ELSEWHERE = 1024

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


def checked(batch_size: int | Literal["auto"]) -> int | Literal["auto"]:
    """A batch size that can be used."""
    if batch_size != "auto" and not (isinstance(batch_size, int) and batch_size >= 1):
        raise InputError(f"batch_size={batch_size!r}: use 'auto' or a number of rows from 1 on")
    return batch_size
