"""How far back do heads look, whatever the tokens? The mean attention to the token so many places before, on a text.

The first token of each row is left out as one that is looked at (heads rest there that find nothing to look at), and its share told by itself.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model

ROWS, FURTHEST = 16, 32


def attention_by_distance(
    model: Model, rows: Sequence[Sequence[int]], layers: Sequence[int]
) -> tuple[Float[Tensor, "layer head distance"], Float[Tensor, "layer head"]]:
    """The mean attention by distance, from 0 (the token itself) on, and to the first token.

    Arguments:
        model: a language model of a known family.
        rows: token ids; the first ones that fit the context are run.
        layers: of these blocks.

    Returns:
        Both; with no distance where no row of three tokens fits.
    """
    fitting = [list(row) for row in rows if 2 < len(row) <= (model.context or len(row))][:ROWS]
    if not fitting:
        return torch.zeros(len(layers), model.n_heads, 0), torch.zeros(len(layers), model.n_heads)
    furthest = min(FURTHEST, max(map(len, fitting)) - 2)
    sums, counts = torch.zeros(len(layers), model.n_heads, furthest + 1), torch.zeros(furthest + 1)
    first = torch.zeros(len(layers), model.n_heads)
    for row in fitting:
        run = model.run([row], read=[f"blocks.{layer}.attn.pattern" for layer in layers], logits=False)
        pattern = torch.stack([run[f"blocks.{layer}.attn.pattern"][0] for layer in layers]).float().cpu()
        first += pattern[:, :, 1:, 0].mean(-1) / len(fitting)
        for distance in range(min(furthest, len(row) - 2) + 1):
            found = pattern[:, :, 1:, 1:].diagonal(-distance, -2, -1)
            sums[..., distance] += found.sum(-1)
            counts[distance] += found.shape[-1]
    return sums / counts, first
