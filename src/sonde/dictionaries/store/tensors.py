"""Activations that are there already, or that somebody else computes: a tensor, a list of them, a data loader, any iterator."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from torch import Tensor

from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.store.mixing import Mixed
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Block, Place, permutation, refuse_unfinite
from sonde.results import InputError, shown

BLOCK = 4096
"""Rows of a tensor that are taken at a time."""
ANEW = "give a list, a tensor, or a function that begins it anew"

Given = Tensor | Iterable[Tensor] | Callable[[], Iterable[Tensor]]


class Tensors(Mixed):
    """Rows of a tensor, or of tensors that come one after the other: states of a recommender, embeddings of images, planted data.

    Arguments:
        given: a tensor `[row, width]`; or tensors of that shape, in an iterable or from a function that begins anew whenever it is called. Only an
            iterator that can be begun anew can be gone on with after an interruption, and read more than once.
        parts: what stands side by side in a row; one part without a name by default.
        rows, buffer, seed: as for `Live`.

    Raises:
        InputError: what is no matrix of numbers.

    >>> import torch
    >>> source = Tensors(torch.arange(6.0).reshape(3, 2), buffer=3)
    >>> sorted(next(source.batches(3))[:, 0].tolist())
    [0.0, 2.0, 4.0]
    """

    def __init__(
        self, given: Given, parts: Sequence[Part] | None = None, rows: int | None = None, buffer: int | None = None, seed: int = 0
    ):  # fmt: skip
        if not isinstance(given, Tensor | Iterable) and not callable(given):
            raise InputError(f"{shown(given)} holds no activations: give a tensor [row, width], or an iterable of such tensors")
        self._given = given
        # an iterator is its own iterator: what it has given is gone
        self._iterator = given if isinstance(given, Iterator) else None
        self._ahead: list[Tensor] = []
        width = self._look().shape[1] if parts is None else sum(part.width for part in parts)
        parts = (Part("", width),) if parts is None else parts
        super().__init__(parts, rows, buffer, seed)

    @property
    def identity(self) -> State:
        """What must be the same where a state is loaded; whether the rows are, the first ones show."""
        return {"kind": "tensors", "parts": [[part.site, part.width] for part in self.parts]}

    def load_state_dict(self, state: State) -> None:
        """Go on from there.

        Arguments:
            state: what `state_dict` gave.

        Raises:
            InputError: an iterator that can't be begun anew; a state of other data.
        """
        if self._iterator is not None:
            raise InputError(f"{shown(self._iterator)} can't be rewound, so it can't be gone on with: {ANEW}")
        super().load_state_dict(state)

    def beginning(self, epoch: int) -> Place:
        """The place where an epoch begins."""
        return (epoch, 0)

    def blocks(self, place: Place) -> Iterator[Block]:
        """The blocks of one epoch, from a place on."""
        epoch, start = place
        pieces = self._shuffled(epoch, start) if isinstance(self._given, Tensor) else self._from(epoch, start)
        for number, piece in enumerate(pieces, start):
            block = Block(self._checked(piece), (epoch, number + 1))
            refuse_unfinite(block, f"tensor {number}", "leave these rows out, or mend what computes them")
            yield block

    def fitting(self, size: int) -> int:
        """The rows of the buffer where none are asked for: a tensor's are shuffled without one."""
        return size if isinstance(self._given, Tensor) else super().fitting(size)

    def _shuffled(self, epoch: int, start: int) -> Iterator[Tensor]:
        """Blocks of a tensor, all of whose rows are in reach: every epoch in another order."""
        assert isinstance(self._given, Tensor)
        order = permutation(len(self._checked(self._given)), "rows", self.seed, epoch)
        return (self._given[chosen] for chosen in order.split(BLOCK)[start:])

    def _from(self, epoch: int, start: int) -> Iterator[Tensor]:
        """The tensors of an iterable, begun anew and read up to a place."""
        if self._iterator is not None:
            if epoch:
                raise InputError(f"{shown(self._iterator)} has ended after one pass, and rows={self.rows} asks for more: {ANEW}")
            return self._again()
        return islice(self._fresh(), start, None)

    def _again(self) -> Iterator[Tensor]:
        """An iterator's tensors, with those that were looked at before."""
        assert self._iterator is not None
        while self._ahead:
            yield self._ahead.pop()
        yield from self._iterator

    def _fresh(self) -> Iterator[Any]:
        return iter(self._given() if callable(self._given) and not isinstance(self._given, Tensor) else self._given)  # type: ignore[arg-type]

    def _look(self) -> Tensor:
        """The first tensor."""
        if isinstance(self._given, Tensor):
            return self._checked(self._given)
        first = next(self._fresh(), None)
        if first is None:
            raise InputError(f"{shown(self._given)} holds no activations: it is empty")
        if self._iterator is not None:
            self._ahead = [first]
        return self._checked(first)

    def _checked(self, piece: Any) -> Tensor:
        """Refuse what is no matrix of the right width."""
        width = sum(part.width for part in self.parts) if hasattr(self, "parts") else None
        if not isinstance(piece, Tensor) or piece.ndim != 2 or not piece.is_floating_point() or width not in (None, piece.shape[1]):
            got = f"{piece.dtype} {tuple(piece.shape)}" if isinstance(piece, Tensor) else shown(piece)
            raise InputError(f"activations are tensors [row, {width or 'width'}] of floating-point numbers; got {got}")
        return piece.detach()
