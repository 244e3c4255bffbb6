"""The mixing buffer: rows leave a source in another order than they come in, and exactly so again after an interruption.

Neighbouring tokens resemble one another, and a dictionary needs batches that do not. The stream is taken in chunks of C rows, C the size of the
buffer; output g C + p is row s_g(p) of chunk g, where the permutation s_g depends on seed and g alone. While chunk g is drawn, each row that leaves
is replaced, in its place, by the next one of chunk g + 1. So every row comes out once, and the whole state is where chunk g began, and p: to go on,
the buffer is filled again from there (at most 2 C rows are computed again), and neither its content nor the state of a random generator is needed.
Saving the content instead would cost a gigabyte at every checkpoint.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Block, Place, permutation
from sonde.jobs import available
from sonde.results import InputError, shown

ROWS, BATCHES = 500_000, 8
"""The buffer by default: so many rows, or so many batches, whichever is more."""
SHARE = 0.25
"""Of the free memory that the buffer may take."""


class Mark(NamedTuple):
    """A row of the stream: the place where its block begins, how many rows of it come before, how many in all, and its block's key."""

    place: Place
    skip: int
    before: int
    key: str


class Reached(NamedTuple):
    """How far the batches have gone: the number of the chunk that is drawn, how many of its rows have left, and where it begins."""

    generation: int
    drawn: int
    mark: Mark


class Intake:
    """The rows of a stream, handed out in any portions, across blocks and epochs.

    Arguments:
        source: what is read.
        mark: where to begin.
    """

    def __init__(self, source: "Mixed", mark: Mark):
        self._source, self._blocks = source, source.endless(mark.place)
        self._place, self._skip, self._taken = mark.place, mark.skip, mark.before
        self._block: Block | None = None

    def mark(self) -> Mark:
        """Where the next row is."""
        block = self._current()
        return Mark(self._place, self._skip, self._taken, "" if block is None else block.key())

    def fill(self, buffer: Tensor, slots: Tensor) -> int:
        """Write the next rows into these slots of a buffer; returns how many there were, fewer where the stream has ended."""
        done = 0
        while done < len(slots) and (block := self._current()) is not None:
            n = min(len(slots) - done, len(block.rows) - self._skip, self._left())
            buffer[slots[done : done + n]] = block.rows[self._skip : self._skip + n].to(buffer.device, buffer.dtype)
            done, self._skip, self._taken = done + n, self._skip + n, self._taken + n
        return done

    def _left(self) -> int:
        """How many rows may still be taken."""
        return sys.maxsize if self._source.rows is None else self._source.rows - self._taken

    def _current(self) -> Block | None:
        """The block that holds the next row; `None` at the end."""
        while self._left() and (self._block is None or self._skip >= len(self._block.rows)):
            if self._block is not None:
                self._skip = 0
            self._place, self._block = next(self._blocks, (self._place, None))
            if self._block is None:
                return None
            self._source.passing(self._block, self._place, self._taken - self._skip)
        return self._block if self._left() else None


class Mixed(ABC):
    """A source that mixes a stream; what the sources of this package have in common.

    A subclass says what the stream is: `blocks(place)` gives the blocks of one epoch from a place on, `beginning(epoch)` the place where an epoch
    begins, `identity` plain data by which a state is refused on a source of other data.

    Arguments:
        parts: what stands side by side in a row.
        rows: how many rows to give in all, in as many epochs as that takes; by default one epoch.
        buffer: rows of the mixing buffer; by default 500,000 or eight batches, whichever is more, halved until it fits into a quarter of the free
            memory.
        seed: of the order.
        dtype: of the batches.
        kept: of the rows in the buffer.
        device: where the buffer is, and the batches.

    Raises:
        InputError: numbers that are none.
    """

    parts: tuple[Part, ...]

    def __init__(
        self, parts: Sequence[Part], rows: int | None, buffer: int | None, seed: int, dtype: torch.dtype = torch.float32,
        kept: torch.dtype = torch.float32, device: torch.device | str = "cpu",
    ):  # fmt: skip
        for name, value in (("rows", rows), ("buffer", buffer)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name}={shown(value)}: give a number of rows, 1 or more, or leave it out")
        self.parts, self.rows, self.seed = tuple(parts), rows, seed
        self._capacity, self._dtype, self._kept, self._device = buffer, dtype, kept, torch.device(device)
        self._decided: tuple[str, ...] = ()
        self._buffer: Tensor | None = None  # made and filled when the first batch is asked for
        self._reached = Reached(0, 0, Mark(self.beginning(0), 0, 0, ""))

    # what a subclass says

    @abstractmethod
    def blocks(self, place: Place) -> Iterator[Block]:
        """The blocks of one epoch, from a place on."""

    @abstractmethod
    def beginning(self, epoch: int) -> Place:
        """The place where an epoch begins."""

    @property
    @abstractmethod
    def identity(self) -> State:
        """What must be the same where a state is loaded."""

    def passing(self, block: Block, place: Place, first: int) -> None:  # noqa: B027 (most sources have nothing to do)
        """Called with each block of the stream: the place where it begins, and the number of its first row."""

    # the face of a source

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided or left out."""
        return self._decided

    def batches(self, size: int) -> Iterator[Float[Tensor, "row width"]]:
        """The batches that are still to come.

        Arguments:
            size: rows in a batch; the last one may have fewer.

        Raises:
            InputError: the buffer holds less than a batch; activations that are not finite; a stream without rows; a state of other data.
        """
        if not isinstance(size, int) or size < 1:
            raise InputError(f"size={shown(size)}: a batch has 1 row or more")
        while True:
            self._open(size)
            try:
                batch = self._draw(size)
            except BaseException:  # also where the user interrupts: the buffer is half refilled, and made again from what was reached before
                self._buffer = None
                raise
            if not len(batch):
                return
            self._reached = Reached(self._generation, self._drawn, self._mark)
            yield batch

    def state_dict(self) -> State:
        """How far the batches have gone: a few numbers, however large the buffer is."""
        generation, drawn, mark = self._reached
        return {
            "identity": self.identity, "seed": self.seed, "rows": self.rows, "buffer": self._capacity, "generation": generation, "drawn": drawn,
            "place": list(mark.place), "skip": mark.skip, "before": mark.before, "key": mark.key,
        }  # fmt: skip

    def load_state_dict(self, state: State) -> None:
        """Go on from there; the buffer is filled again when the next batch is asked for.

        Arguments:
            state: what `state_dict` gave.

        Raises:
            InputError: a state of other data, another seed or another number of rows, under which other batches would come.
        """
        if not isinstance(state, dict) or not self.state_dict().keys() <= state.keys():
            raise InputError(f"{shown(state)} is no state of a source: give what state_dict() returned")
        now = {**self.identity, "seed": self.seed, "rows": self.rows}
        then = {**state["identity"], "seed": state["seed"], "rows": state["rows"]}
        differing = [f"{name} {shown(then.get(name), 60)}" for name in {**now, **then} if now.get(name) != then.get(name)]
        if differing:
            raise InputError(f"this state is of a source with {', '.join(differing)}: make the source as it was, or begin anew without the state")
        mark = Mark(tuple(state["place"]), state["skip"], state["before"], state["key"])
        self._capacity, self._buffer, self._reached = state["buffer"], None, Reached(state["generation"], state["drawn"], mark)

    # the buffer

    def endless(self, place: Place) -> Iterator[tuple[Place, Block]]:
        """The blocks from a place on, each with where it begins; where a number of rows is asked for, in one epoch after the other."""
        while True:
            fresh, any_rows = place == self.beginning(place[0]), False
            for block in self.blocks(place):
                any_rows = any_rows or len(block.rows) > 0
                yield place, block
                place = block.after
            if fresh and not any_rows:
                raise InputError(f"there is not one row of activations here: {'; '.join(self.notes) or 'the source is empty'}")
            if self.rows is None:
                return
            place = self.beginning(place[0] + 1)

    def _open(self, size: int) -> None:
        """Make the buffer, and fill it as it was where the batches have got to."""
        if self._capacity is None:
            self._capacity = self.fitting(size)
        if self._capacity < size:
            raise InputError(f"a buffer of {self._capacity} rows can't give batches of {size}: give buffer={BATCHES * size}, or smaller batches")
        if self._buffer is not None:
            return
        generation, drawn, mark = self._reached
        buffer = torch.empty(self._capacity, sum(part.width for part in self.parts), dtype=self._kept, device=self._device)
        self._intake = Intake(self, mark)
        self._next = self._intake.mark()
        if mark.key and self._next.key != mark.key:
            raise InputError("the source gives other rows than when this state was kept: give the same data in the same order, or begin anew")
        self._generation, self._order = generation - 1, torch.arange(self._capacity)
        self._arrived = self._intake.fill(buffer, self._order)
        self._turn()
        self._drawn = drawn
        self._arrived = self._intake.fill(buffer, self._order[:drawn])
        self._buffer, self._reached = buffer, Reached(generation, drawn, self._mark)

    def fitting(self, size: int) -> int:
        """The rows of the buffer where none are asked for; halved, not cut to the byte, so that a little more free memory changes no order."""
        wanted = max(ROWS, BATCHES * size)
        row = sum(part.width for part in self.parts) * self._kept.itemsize
        free = torch.cuda.mem_get_info(self._device)[0] if self._device.type == "cuda" else available()
        rows = wanted
        while rows * row > free * SHARE and rows > size:
            rows = max(rows // 2, size)
        if rows < wanted:
            self._decided = (f"the mixing buffer holds {rows:,} rows, not {wanted:,}: more would take over a quarter of the free memory",)
        return rows if self.rows is None else max(min(rows, self.rows), size)

    def _turn(self) -> None:
        """Begin to draw the chunk that has come in."""
        self._generation, self._drawn, self._mark = self._generation + 1, 0, self._next
        chosen = permutation(self._arrived, "mixing", self.seed, self._generation)
        self._order, self._arrived = self._order[: self._arrived][chosen], 0
        self._next = self._intake.mark()

    def _draw(self, size: int) -> Tensor:
        """The next batch; empty at the end."""
        assert self._buffer is not None
        pieces: list[Tensor] = []
        while size:
            if self._drawn == len(self._order):
                if not self._arrived:
                    break
                self._turn()
            slots = self._order[self._drawn : self._drawn + size]
            pieces.append(self._buffer[slots].to(self._dtype))
            self._drawn, size = self._drawn + len(slots), size - len(slots)
            self._arrived += self._intake.fill(self._buffer, self._order[self._arrived : self._drawn])
        return torch.cat(pieces) if len(pieces) > 1 else pieces[0] if pieces else self._buffer[:0].to(self._dtype)
