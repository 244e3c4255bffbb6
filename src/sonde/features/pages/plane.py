"""Directions as points in a plane: those that are alike lie near one another.

t-SNE of cosine distances (van der Maaten and Hinton 2008), begun from the two first principal components, so that the same directions give the same
picture. Neighbourhoods are kept; distances between groups, and their sizes, say nothing.
"""

from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.features.pages.statistics import packed
from sonde.results import InputError

COMPONENTS = 50
LEAST = 8


class Plane(TypedDict):
    """A point for each row of the list: 32-bit floats in base64."""

    method: str
    x: str
    y: str


def plane(directions: Float[Tensor, "latent width"], seed: int = 0) -> Plane:
    """Lay directions out.

    Arguments:
        directions: of the latents in the list, in its order.
        seed: of the search for the layout.

    Raises:
        InputError: too few directions to have neighbours, or some that are not finite.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(directions) < LEAST or not directions.isfinite().all():
        raise InputError(f"{len(directions)} directions can't be laid out: give at least {LEAST}, all of them finite")
    units = torch.nn.functional.normalize(directions.double(), dim=1).numpy()
    # of unit vectors, squared Euclidean distance is twice the cosine distance
    kept = min(COMPONENTS, *units.shape)
    reduced = PCA(kept, random_state=seed).fit_transform(units)
    perplexity = min(30.0, (len(units) - 1) / 3)
    points = TSNE(init="pca", perplexity=perplexity, random_state=seed, max_iter=500).fit_transform(reduced)
    method = f"t-SNE of cosine distances (perplexity {perplexity:.0f}, {kept} principal components, seed {seed})."
    return Plane(method=method, x=packed(points[:, 0]), y=packed(points[:, 1]))
