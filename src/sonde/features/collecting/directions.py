"""What the directions of latents say by themselves: the neurons they lie along, their neighbours, the heads they are written to or read from.

Shape legend: F latents, D entries of a direction.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde import bases
from sonde.access import Basis

BLOCK = 512
NEAREST = 8
ENTRIES = 5


def added_at(basis: Basis, site: str) -> Float[Tensor, "latent entry"]:
    """What one unit of each latent adds at a site: of several that a crosscoder writes side by side, that site's part.

    Arguments:
        basis: with directions.
        site: one of those that it writes; the whole directions where it names no such.

    Raises:
        InputError: a basis that does not decode linearly.

    >>> from sonde.dictionaries import Dictionary
    >>> from sonde.dictionaries.dictionary import Part
    >>> d, parts = torch.tensor([[1.0, 2.0]]), (Part("blocks.0.resid_post", 1), Part("blocks.1.resid_post", 1))
    >>> added_at(Dictionary(d, torch.zeros(1), d, torch.zeros(2), reads=parts), "blocks.1.resid_post")
    tensor([[2.]])
    """
    directions = bases.directions(basis).float().cpu()
    start = 0
    for part in getattr(basis, "writes", ()):
        if part.site == site:
            return directions[:, start : start + part.width]
        start += part.width
    return directions


def largest_entries(
    directions: Float[Tensor, "latent entry"],
) -> tuple[Int[Tensor, "latent shown"], Float[Tensor, "latent shown"], Float[Tensor, "latent shown"]]:
    """The largest entries of each direction by size: which, their weights, and their shares of its L1 norm.

    Arguments:
        directions: one for each latent.

    >>> [column.tolist() for column in largest_entries(torch.tensor([[3.0, 0.0, -1.0]]))]
    [[[0, 2, 1]], [[3.0, -1.0, 0.0]], [[0.75, 0.25, 0.0]]]
    """
    found = directions.abs().topk(min(ENTRIES, directions.shape[1])).indices
    weights = directions.gather(1, found)
    return found, weights, weights.abs() / directions.abs().sum(1, keepdim=True).clamp(min=1e-30)


def nearest(
    directions: Float[Tensor, "latent entry"], others: Float[Tensor, "other entry"] | None = None
) -> tuple[Int[Tensor, "latent shown"], Float[Tensor, "latent shown"]]:
    """The directions with the greatest cosine: which, and the cosines, NaN for a direction of length 0.

    Arguments:
        directions: one for each latent.
        others: where neighbours are looked for; among the directions themselves, without the latent's own, if not given.

    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]))[0][:, 0].tolist()
    [2, 2, 0]
    """
    here = others is None
    a, b = _unit(directions), _unit(directions if others is None else others)
    shown = min(NEAREST, len(b) - here)
    latents, cosines = [], []
    for start in range(0, len(a), BLOCK):
        cosine = a[start : start + BLOCK] @ b.T
        if here:
            rows = torch.arange(len(cosine))
            cosine[rows, rows + start] = -2.0
        best = cosine.topk(shown)
        latents.append(best.indices)
        cosines.append(best.values.masked_fill(a[start : start + BLOCK].norm(dim=1, keepdim=True) == 0, torch.nan))
    return torch.cat(latents), torch.cat(cosines)


def head_shares(directions: Float[Tensor, "latent entry"], heads: int) -> Float[Tensor, "latent head"]:
    """How much of each direction lies in each head: the norm of its slice, as a share of the sum of the norms.

    Arguments:
        directions: heads side by side.
        heads: how many.
    """
    norms = directions.unflatten(1, (heads, -1)).norm(dim=-1)
    return norms / norms.sum(1, keepdim=True).clamp(min=1e-30)


def _unit(directions: Tensor) -> Tensor:
    return directions / directions.norm(dim=1, keepdim=True).clamp(min=1e-30)
