"""The active latents of a training batch, found without keeping the table of all latents.

The encoder's product is made some rows at a time into one buffer; of each part only the entries that count are taken: a step's memory does not grow
with rows times latents, and the part is still in the cache when it is searched.

Shape legend: N rows, F latents, E entries.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.dictionaries.activations import COUNTED, counted, places_of
from sonde.dictionaries.architectures import Architecture
from sonde.dictionaries.sparse import Entries

ROWS = 1024
"""Rows of one part of the encoder's product."""
SAMPLE = 64
"""Rows from which the threshold of a whole batch is guessed."""


@dataclass
class Pieces:
    """Entries of the parts of a batch, put together at the end."""

    rows: list[Tensor] = field(default_factory=list)
    latents: list[Tensor] = field(default_factory=list)
    z: list[Tensor] = field(default_factory=list)

    def take(self, z: Tensor, mask: Tensor, first: int) -> None:
        """The entries of a part under a mask; `first` is the part's first row."""
        places = places_of(mask)
        self.add(places // z.shape[1] + first, places % z.shape[1], z.view(-1).index_select(0, places))

    def add(self, rows: Tensor, latents: Tensor, z: Tensor) -> None:
        """Entries that are known."""
        self.rows.append(rows)
        self.latents.append(latents)
        self.z.append(z)

    def found(self, n: int, size: int) -> tuple[Entries, Tensor]:
        """All entries, row after row, and their z."""
        rows, latents = torch.cat(self.rows), torch.cat(self.latents)
        counts = torch.bincount(rows, minlength=n)
        return Entries(latents, counts.cumsum(0) - counts, size), torch.cat(self.z)


@dataclass(frozen=True, eq=False)
class Active:
    """What a batch activates.

    Arguments:
        entries: the active (row, latent) pairs; of a gate, those that are open.
        z: what the encoder gave there.
        more: the entries of `multi`, and their z.
        band: the entries whose z is within half a bandwidth of the threshold, and their z.
        dead: what the encoder gave for each dead latent.
        kept_from: the smallest value that was kept, where k counts over the batch.
        table: all of z, where that many are active that dense products are faster; then `entries` is empty.
    """

    entries: Entries
    z: Float[Tensor, " entries"]
    more: tuple[Entries, Tensor] | None = None
    band: tuple[Entries, Tensor] | None = None
    dead: Float[Tensor, "rows dead"] | None = None
    kept_from: float | None = None
    table: Float[Tensor, "rows size"] | None = None


class Encoder:
    """Finds the active latents of batches; owns the buffer."""

    def __init__(self) -> None:
        self._buffer: Tensor | None = None

    def parts(self, read: Tensor, encoder: Tensor, bias: Tensor | None, rows: int = ROWS) -> Iterator[tuple[int, Tensor]]:
        """What the encoder gives, some rows at a time, each part in the same memory as the one before."""
        shape = (min(rows, len(read)), len(encoder))
        if self._buffer is None or self._buffer.shape != shape or self._buffer.device != read.device or self._buffer.dtype != read.dtype:
            self._buffer = read.new_empty(shape)
        for first in range(0, len(read), rows):
            part = read[first : first + rows]
            z = self._buffer[: len(part)]
            if bias is None:
                torch.mm(part, encoder.T, out=z)
            else:
                torch.addmm(bias, part, encoder.T, out=z)
            yield first, z

    def find(
        self, read: Float[Tensor, "rows width"], weights: dict[str, Tensor], architecture: Architecture, dead: Int[Tensor, " dead"] | None,
        bandwidth: float | None = None, dense_above: float = 1.0,
    ) -> Active:  # fmt: skip
        """The active latents of a batch.

        Arguments:
            read: what the encoder reads.
            weights: of the dictionary in training.
            architecture: says which latents are active.
            dead: latents whose z is wanted everywhere.
            bandwidth: of the band around thresholds that is wanted.
            dense_above: share of active latents from which the whole table is given instead; at most once a batch, by the first part.
        """
        n, size = len(read), len(weights["encoder"])
        gate = architecture.activation == "gated"
        bias = None if gate else weights["encoder_bias"]
        main, more, band, columns = Pieces(), Pieces(), Pieces(), []
        guess = None
        for first, z in self.parts(*self._searched(read, weights["encoder"], bias, architecture.search)):
            if dead is not None:
                columns.append(z.index_select(1, dead))
            if architecture.batch and architecture.k is not None:
                guess = _guessed(z, architecture.k, n) if guess is None else guess
                main.take(z, z > guess, first)
                if architecture.multi is not None:
                    _row_by_row(more, z, architecture.activation, architecture.k * architecture.multi.times, first)
            elif architecture.activation in COUNTED and architecture.k is not None:
                _row_by_row(main, z, architecture.activation, architecture.k, first)
                if architecture.multi is not None:
                    _row_by_row(more, z, architecture.activation, architecture.k * architecture.multi.times, first)
            else:
                mask = _open(z, weights, architecture)
                if first == 0 and dense_above < 1 and float(mask.count_nonzero()) > dense_above * mask.numel():
                    table = torch.addmm(weights["encoder_bias"], read, weights["encoder"].T)
                    return Active(Entries(read.new_zeros(0, dtype=torch.long), read.new_zeros(n, dtype=torch.long), size), z[:0, 0], table=table)
                main.take(z, mask, first)
            if bandwidth is not None:
                band.take(z, (z - weights["threshold"]).abs() < bandwidth / 2, first)
        further = more.found(n, size) if more.rows else None
        entries, values = main.found(n, size)
        kept_from = None
        if architecture.search != "float32":
            values = _exact(entries, read, weights, architecture.activation)
            further = (further[0], _exact(further[0], read, weights, architecture.activation)) if further is not None else None
        if architecture.batch and architecture.k is not None:
            entries, values, kept_from = self._largest(entries, values, n * architecture.k, read, weights, guess or 0.0)
        return Active(
            entries, values, further, band.found(n, size) if band.rows else None, torch.cat(columns).to(read.dtype) if columns else None, kept_from,
        )  # fmt: skip

    @staticmethod
    def _searched(read: Tensor, encoder: Tensor, bias: Tensor | None, search: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """What the product of a search is made of."""
        if search == "float32":
            return read, encoder, bias
        precision = getattr(torch, search)
        return read.to(precision), encoder.to(precision), None if bias is None else bias.to(precision)

    def _largest(
        self, entries: Entries, z: Tensor, count: int, read: Tensor, weights: dict[str, Tensor], guess: float
    ) -> tuple[Entries, Tensor, float]:
        """The `count` largest of a batch, or all that are above 0."""
        if len(z) < count and guess > 0:  # the guess was too high: look again, at everything above 0
            again = Pieces()
            for first, part in self.parts(read, weights["encoder"], weights["encoder_bias"]):
                again.take(part, part > 0, first)
            entries, z = again.found(len(read), entries.size)
        if len(z) > count:
            kept = z.topk(count, sorted=False).indices.sort().values
            rows, latents, z = entries.rows[kept], entries.latents[kept], z[kept]
            counts = torch.bincount(rows, minlength=len(read))
            entries = Entries(latents, counts.cumsum(0) - counts, entries.size)
        return entries, z, float(z.min()) if len(z) else 0.0


def _exact(entries: Entries, read: Tensor, weights: dict[str, Tensor], activation: str) -> Tensor:
    """z of entries that a product of low precision found; below 0 nothing is active, but for `abstopk`."""
    z = entries.dots(read, weights["encoder"]) + weights["encoder_bias"][entries.latents]
    return z if activation == "abstopk" else z.relu_()


def _open(z: Tensor, weights: dict[str, Tensor], architecture: Architecture) -> Bool[Tensor, "rows size"]:
    """Where latents are active; of a gate, where it is open."""
    if architecture.activation == "gated":
        return z > -weights["gate_bias"]
    return z > (weights["threshold"] if architecture.activation == "jumprelu" else 0)


def _row_by_row(pieces: Pieces, z: Tensor, activation: str, k: int, first: int) -> None:
    latents, values = counted(z, activation, min(k, z.shape[1]))
    rows = torch.arange(first, first + len(z), device=z.device).repeat_interleave(latents.shape[1])
    pieces.add(rows, latents.reshape(-1), values.reshape(-1))


def _guessed(z: Tensor, k: int, n: int) -> float:
    """A threshold that somewhat more than k entries a row are above: of a sample of rows, the value with 2 k above it, and not below 0."""
    sample = z[:: max(1, len(z) // SAMPLE)]
    wanted = min(2 * k * len(sample), sample.numel())
    return max(0.0, float(sample.flatten().topk(wanted, sorted=False).values.min()))
