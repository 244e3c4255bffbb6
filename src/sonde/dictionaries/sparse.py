"""Products of sparse codes with matrices, and the gradients of those products: what a training step does after its one dense product.

Shape legend: N rows, E entries (row, latent), F latents, O entries of a direction.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from sonde.bases import Codes


@dataclass(frozen=True, eq=False)
class Entries:
    """Which (row, latent) pairs are in use, with the order that groups them by latent.

    Arguments:
        latents: of each entry, row after row.
        offsets: where each row begins.
        size: F.
    """

    latents: Int[Tensor, " entries"]
    offsets: Int[Tensor, " rows"]
    size: int

    @staticmethod
    def of(codes: Codes) -> "Entries":
        """Those of some codes.

        Arguments:
            codes: whose values do not matter.
        """
        return Entries(codes.latents, codes.offsets, codes.size)

    @cached_property
    def rows(self) -> Int[Tensor, " entries"]:
        """Which row each entry is of."""
        counts = torch.diff(self.offsets, append=self.offsets.new_tensor([len(self.latents)]))
        return torch.arange(len(self.offsets), device=self.latents.device).repeat_interleave(counts)

    @cached_property
    def by_latent(self) -> tuple[Tensor, Tensor, Tensor]:
        """The order that groups entries by latent, the rows in that order, and where each latent begins."""
        order = self.latents.to(torch.int32).argsort()
        counts = torch.bincount(self.latents, minlength=self.size)
        return order, self.rows.index_select(0, order), counts.cumsum(0) - counts

    def _pattern(self, dtype: torch.dtype) -> Tensor:
        """A sparse matrix with an entry, of any value, at each pair."""
        begins = torch.cat((self.offsets, self.offsets.new_tensor([len(self.latents)])))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                begins, self.latents, self.latents.new_zeros(len(self.latents), dtype=dtype), (len(self.offsets), self.size), check_invariants=False
            )

    def decode(self, values: Float[Tensor, " entries"], directions: Float[Tensor, "size out"]) -> Float[Tensor, "rows out"]:
        """Each row's sum of value times direction.

        Arguments:
            values: of the entries.
            directions: of the latents.
        """
        return embedding_bag(self.latents, directions, self.offsets, per_sample_weights=values, mode="sum")

    def dots(self, rows: Float[Tensor, "rows out"], directions: Float[Tensor, "size out"]) -> Float[Tensor, " entries"]:
        """The product of each entry's row with its direction: the gradient of `decode` with respect to the values.

        Arguments:
            rows: the gradient with respect to what `decode` gave.
            directions: of the latents.
        """
        if not len(self.latents):
            return rows.new_zeros(0)
        if rows.device.type != "cpu":
            return torch.ops.aten._embedding_bag_per_sample_weights_backward(rows, directions, self.latents, self.offsets, self.rows, 0)
        return torch.sparse.sampled_addmm(self._pattern(rows.dtype), rows, directions.T, beta=0.0).values()  # takes half the time there

    def gathered(self, values: Float[Tensor, " entries"], rows: Float[Tensor, "rows out"]) -> Float[Tensor, "size out"]:
        """Each latent's sum of value times row: the gradient of `decode` with respect to the directions.

        Arguments:
            values: of the entries.
            rows: the gradient with respect to what `decode` gave.
        """
        order, taken, begins = self.by_latent
        if not len(order):
            return rows.new_zeros(self.size, rows.shape[1])
        return embedding_bag(taken, rows, begins, per_sample_weights=values.index_select(0, order), mode="sum")

    def summed(self, values: Float[Tensor, " entries"]) -> Float[Tensor, " size"]:
        """Each latent's sum of values.

        Arguments:
            values: of the entries.
        """
        return values.new_zeros(self.size).index_add_(0, self.latents, values)
