"""The coordinates of many activations where most of them are 0: only the others are kept, row by row.

Shape legend: E entries, that is (row, latent) pairs that are not 0; F coordinates ("latents") of the basis.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from sonde.access import Basis
from sonde.bases.subspace import Columns
from sonde.results import InputError, shown

DENSE_ENTRIES = 2**24
"""How many coordinates are written out at a time where a basis knows no sparse way: 64 MB in float32."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Sparse coordinates of a batch of activations, in compressed rows.

    Arguments:
        values: the coordinates that are not 0, row after row.
        latents: which coordinate each of them is.
        offsets: where in `values` each row begins.
        size: how many coordinates the basis has.

    >>> codes = Codes.of(torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0]]))
    >>> codes, codes.latents.tolist(), codes.rows.tolist()
    (Codes(3 rows of 3, 3 entries), [1, 0, 2], [0, 2, 2])
    """

    values: Float[Tensor, " entries"]
    latents: Int[Tensor, " entries"]
    offsets: Int[Tensor, " rows"]
    size: int

    @staticmethod
    def of(dense: Float[Tensor, "rows size"]) -> "Codes":
        """The entries of a table that are not 0.

        Arguments:
            dense: a row of coordinates for each activation.
        """
        rows, latents = dense.nonzero(as_tuple=True)
        return Codes(dense[rows, latents], latents, _offsets(torch.bincount(rows, minlength=len(dense))), dense.shape[1])

    @staticmethod
    def together(parts: "list[Codes]") -> "Codes":
        """The rows of several batches, one after the other.

        Arguments:
            parts: at least one, of the same size.
        """
        counts = torch.cat([part.counts for part in parts])
        return Codes(torch.cat([part.values for part in parts]), torch.cat([part.latents for part in parts]), _offsets(counts), parts[0].size)

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def counts(self) -> Int[Tensor, " rows"]:
        """How many entries each row has."""
        return torch.diff(self.offsets, append=self.offsets.new_tensor([len(self.values)]))

    @property
    def rows(self) -> Int[Tensor, " entries"]:
        """Which row each entry is of."""
        return torch.arange(len(self), device=self.offsets.device).repeat_interleave(self.counts)

    def dense(self) -> Float[Tensor, "rows size"]:
        """Written out, with its zeros."""
        table = self.values.new_zeros(len(self), self.size)
        table[self.rows, self.latents] = self.values
        return table

    def without_zeros(self) -> "Codes":
        """The same, with no entry that is 0."""
        kept = self.values != 0
        if bool(kept.all()):
            return self
        return Codes(self.values[kept], self.latents[kept], _offsets(torch.bincount(self.rows[kept], minlength=len(self))), self.size)

    def take(self, rows: Int[Tensor, " taken"]) -> "Codes":
        """Some of the rows.

        Arguments:
            rows: their numbers, in the order wanted; one may be named twice.
        """
        counts = self.counts[rows]
        starts = _offsets(counts)
        within = torch.arange(int(counts.sum()), device=counts.device) - starts.repeat_interleave(counts)
        entries = self.offsets[rows].repeat_interleave(counts) + within
        return Codes(self.values[entries], self.latents[entries], starts, self.size)

    def decode(self, directions: Float[Tensor, "size width"]) -> Float[Tensor, "rows width"]:
        """The sum of the directions, each times its coordinate.

        Arguments:
            directions: one for each coordinate.
        """
        if not len(self.values):
            return directions.new_zeros(len(self), directions.shape[1])
        return embedding_bag(self.latents, directions, self.offsets, per_sample_weights=self.values.to(directions.dtype), mode="sum")

    def __repr__(self) -> str:
        return f"Codes({len(self)} rows of {self.size}, {len(self.values)} entries)"


def codes(basis: Basis, x: Float[Tensor, "rows width"]) -> Codes:
    """The sparse coordinates of activations in any basis.

    Arguments:
        basis: its own `codes` is used where it has one; else its coordinates are written out, some rows at a time.
        x: activations, one a row.

    Raises:
        InputError: activations of another width.
    """
    if x.ndim != 2 or x.shape[1] != basis.width:
        raise InputError(f"activations of shape {tuple(x.shape)}: {basis!r} reads rows of {basis.width} entries")
    own = getattr(basis, "codes", None)
    if own is not None:
        found: Codes = own(x)
        return found
    step = max(1, DENSE_ENTRIES // basis.size)
    parts = [Codes.of(basis.encode(part)) for part in x.split(step)]
    return Codes.together(parts or [Codes.of(x.new_zeros(0, basis.size))])


def directions(basis: Basis) -> Float[Tensor, "size width"]:
    """The direction that each coordinate adds, where it is the same for every activation: d decode(c) / d c.

    Arguments:
        basis: a linear one; `directions` of its own is taken where it has it.

    Raises:
        InputError: decoding is not linear.

    >>> from sonde.bases import Neurons
    >>> directions(Neurons(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    own: Tensor | None = getattr(basis, "directions", None)
    if own is not None:
        return own.T if isinstance(basis, Columns) else own
    start = torch.zeros(1, basis.size)
    found = basis.decode(torch.eye(basis.size)) - basis.decode(start)
    twice = basis.decode(2 * torch.ones(1, basis.size)) - basis.decode(start)
    if not torch.allclose(twice, 2 * found.sum(0, keepdim=True), rtol=1e-3, atol=1e-4 * float(found.abs().max())):
        raise InputError(f"{shown(basis)} does not decode linearly: its coordinates have no directions of their own")
    return found


def _offsets(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts
