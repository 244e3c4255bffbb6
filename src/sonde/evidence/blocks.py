"""Examples that are not independent: prompts made of one template, sentences of one document, positions that follow one another.

Counted as if they were independent they make any difference look sure (pseudo-replication). The block is then what was drawn, and what counts.
"""

from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.results import InputError

Blocks = Sequence[Hashable] | Int[Tensor, " example"]


def block_means(values: Float[Tensor, "example *cell"], blocks: Blocks) -> Float[Tensor, "block *cell"]:
    """The mean of each block of examples, the blocks in the order in which they first occur: one independent value for each.

    Arguments:
        values: one value, or tensor of values, per example.
        blocks: the block of each example, such as its template or document; for runs of 64 positions `torch.arange(n) // 64`.

    Raises:
        InputError: as many blocks as examples are needed.

    >>> block_means(torch.tensor([1.0, 3.0, 5.0]), ["first template", "first template", "second template"])
    tensor([2., 5.])
    """
    places = numbered(blocks, len(values))
    flat = values.reshape(len(values), -1)
    sizes = torch.bincount(places).to(flat)
    sums = torch.zeros(len(sizes), flat.shape[1], dtype=flat.dtype, device=flat.device).index_add_(0, places.to(flat.device), flat)
    return (sums / sizes[:, None]).reshape(len(sizes), *values.shape[1:])


def numbered(blocks: Blocks, n: int) -> Int[Tensor, " example"]:
    """The number of each example's block, counted in the order in which they first occur."""
    names = blocks.tolist() if isinstance(blocks, Tensor) else list(blocks)
    if len(names) != n:
        raise InputError(f"{len(names)} blocks for {n} examples; give the block of each example")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.long)
