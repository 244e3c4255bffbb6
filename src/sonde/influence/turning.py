"""Gradients in the eigenbases of a curvature: what the activations become is computed once for all blocks that read them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.blocks import Block, Outer, rotates_first
from sonde.influence.subject import Told


class Turning:
    """Turns what a backward pass tells of linear maps into their eigenbases; in every pass each of them is to be turned.

    Arguments:
        blocks: that are looked at.
        bases: for each linear map the axes of activations and of gradients, as columns: all of them, or fewer.
    """

    def __init__(self, blocks: Sequence[Block], bases: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        self._bases = dict(bases)
        self._source = {block.name: self._shared(block) for block in blocks if block.name in bases}
        self._readers = Counter(self._source.values())
        self._turned: dict[str, tuple[Tensor, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._bases

    def __call__(self, told: Told) -> Float[Tensor, "example row col"]:
        """Every example's gradient Q_S^T G Q_A, by whichever order takes fewer operations.

        Arguments:
            told: of a linear map.
        """
        seen = told.trace
        assert isinstance(seen, Outer)
        QA, QS = self.axes(told)
        if rotates_first(seen.places, len(QS), len(QA), QS.shape[1], QA.shape[1]):
            return Outer(self._activations(told, seen.a, QA), seen.delta @ QS).dense()
        return QS.T @ seen.dense() @ QA

    def axes(self, told: Told) -> tuple[Float[Tensor, "col col_axis"], Float[Tensor, "row row_axis"]]:
        """The axes of a block in the type of what is turned, converted once.

        Arguments:
            told: of a linear map.
        """
        seen, name = told.trace, told.block.name
        assert isinstance(seen, Outer)
        QA, QS = self._bases[name]
        if (QA.dtype, QA.device) != (seen.a.dtype, seen.a.device):
            shared = self._bases[self._source[name]][0]
            QA = shared if (shared.dtype, shared.device) == (seen.a.dtype, seen.a.device) else QA.to(seen.a)
            QS = QS.to(seen.a)
            self._bases[name] = QA, QS
        return QA, QS

    def _shared(self, block: Block) -> str:
        """The block with whose activations, in whose axes, these are turned."""
        if block.source not in self._bases:
            return block.name
        own, other = self._bases[block.name][0], self._bases[block.source][0]
        return block.source if own is other or torch.equal(own, other) else block.name

    def _activations(self, told: Told, a: Tensor, QA: Tensor) -> Tensor:
        """The activations in their axes, kept until the last block that reads them has come."""
        source = self._source[told.block.name]
        turned, left = self._turned.pop(source) if source in self._turned else (a @ QA, self._readers[source])
        if left > 1:
            self._turned[source] = turned, left - 1
        return turned
