"""The places of an attribution that can be ranked, whatever it was made of: tokens, pixels, columns of a table, or groups of them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.attribution.results import Attribution


def places(attribution: Attribution, example: int) -> tuple[Float[Tensor, " place"], Int[Tensor, "*cell"]]:
    """The values of the places of one example that can be ranked, and for each cell of the input the place that it belongs to.

    Arguments:
        attribution: of any kind: by token, pixel, column, or in groups.
        example: its index.

    Returns:
        One value for each place: of a picture's pixel the sum over channels. And the place of each cell, -1 where a cell always stays: special
        tokens, padding.
    """
    if attribution.groups is not None:
        known = ~attribution.values[example].isnan()
        numbers = torch.where(known, known.cumsum(0) - 1, -1)
        return attribution.values[example][known], torch.cat([numbers, torch.tensor([-1])])[attribution.groups[example]]
    values, counted = attribution.cells()[example], attribution.counted[example]
    if attribution.axes == ("channel", "row", "col"):
        counted = counted.all(0)
    labels = torch.full(values.shape, -1, dtype=torch.long)
    labels[counted] = torch.arange(int(counted.sum()))
    return values[counted], labels
