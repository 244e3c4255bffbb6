"""What a source reads before it is mixed: blocks of rows in an order that is always the same, each with the place from which the next one comes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sonde.results import InputError, content_hash

Place = tuple[int, ...]
"""Where a stream has got to: the epoch, then whatever numbers find the next block again."""


@dataclass(frozen=True, eq=False)
class Block:
    """Rows that come one after the other.

    Arguments:
        rows: activations, [row, width].
        after: where the next block begins.
        tokens, sequences, positions: of each row: its token, the number of its sequence, its position there; `None` for rows of no text.
    """

    rows: Tensor
    after: Place
    tokens: Tensor | None = None
    sequences: Tensor | None = None
    positions: Tensor | None = None

    def key(self) -> str:
        """A hash by which the block is known again: of its tokens where it has them, since activations may differ in rounding elsewhere."""
        text = None if self.tokens is None else [self.tokens.int(), self.sequences, self.positions]
        return content_hash(self.rows if text is None else text)

    def named(self, row: int) -> str:
        """Where a row is from."""
        if self.sequences is None or self.positions is None or self.tokens is None:
            return f"row {row} of the block that ends at {list(self.after)}"
        return f"sequence {int(self.sequences[row])}, position {int(self.positions[row])} (token {int(self.tokens[row])})"


def refuse_unfinite(block: Block, whence: str, way_out: str) -> None:
    """Refuse rows with NaN or infinities, by name: one of them would spoil every weight it meets.

    Arguments:
        block: the rows.
        whence: where they are from, in words.
        way_out: what can be done.
    """
    # one sum tells of every NaN and infinity; where finite numbers alone overflow it, the second look says so
    if not bool(torch.isfinite(block.rows.sum(dtype=torch.float32))) and not bool((finite := torch.isfinite(block.rows).all(-1)).all()):
        bad = (~finite).nonzero().flatten().tolist()
        more = f", and {len(bad) - 1} more rows of the same block" if len(bad) > 1 else ""
        raise InputError(f"the activations of {whence} are not finite at {block.named(bad[0])}{more}; {way_out}")


def permutation(n: int, *key: int | str) -> Tensor:
    """The numbers from 0 to n - 1, shuffled by a key: another key, another order, and none that a seed used elsewhere repeats.

    >>> permutation(5, "epoch", 0, 1).tolist() == permutation(5, "epoch", 0, 1).tolist()
    True
    """
    generator = torch.Generator().manual_seed(int(content_hash(key), 16) % 2**63)
    return torch.randperm(n, generator=generator)
