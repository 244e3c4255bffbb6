"""Which solids the features of a toy model make, told from the angles between them.

Features are nodes of a graph, and two are joined where they are not orthogonal. Each connected part lies in dimensions of its own; the number of its
features, the rank of their Gram matrix and all their cosines name it. With D = dimensions / features for a regular one:

| solid | features | dimensions | D | cosines |
| --- | --- | --- | --- | --- |
| dedicated | 1 | 1 | 1 | |
| digon | 2 | 1 | 1/2 | -1 |
| triangle | 3 | 2 | 2/3 | -1/2 |
| tetrahedron | 4 | 3 | 3/4 | -1/3 |
| pentagon | 5 | 2 | 2/5 | (sqrt(5) - 1) / 4, -(sqrt(5) + 1) / 4 |
| square antiprism | 8 | 3 | 3/8 | 1/3, (sqrt(2) - 1) / 3, -1/3, -(sqrt(2) + 1) / 3 |

A square is two digons, an octahedron three: their parts are orthogonal, and a solid made of such parts is a tegum product (Elhage et al. 2022).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.superposition.toy.measures import dimensionality, represented

JOINED = 0.15
"""Features whose cosine is smaller in size count as orthogonal: less than a tetrahedron's 1/3 and a pentagon's .309."""
NEAR = 0.1
"""The most by which any cosine may differ from the solid's, and the least eigenvalue of a Gram matrix that counts as a dimension."""


@dataclass(frozen=True)
class Solid:
    """Features that share dimensions with one another and with no other feature.

    Arguments:
        name: of the solid, or how many features lie in how many dimensions.
        features: their numbers.
        dimensions: the rank of their Gram matrix.
        dimensionality: the mean of their D_i.
    """

    name: str
    features: tuple[int, ...]
    dimensions: int
    dimensionality: float


def solids(W: Float[Tensor, "m n"]) -> list[Solid]:
    """The solids that the represented features of one toy model make, the largest first.

    Arguments:
        W: its weights.

    >>> [solid.name for solid in solids(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.1, 0.2]]))]
    ['digon', 'dedicated']
    """
    from scipy.sparse.csgraph import connected_components

    kept = represented(W).nonzero().flatten()
    if not len(kept):
        return []
    units = torch.nn.functional.normalize(W[:, kept].double(), dim=0)
    cosines = units.T @ units
    share = dimensionality(W)[kept]
    count, part = connected_components((cosines.abs() > JOINED).numpy(), directed=False)
    found = []
    for k in range(count):
        own = torch.from_numpy(part == k).nonzero().flatten()
        gram = cosines[own][:, own]
        dimensions = int((torch.linalg.eigvalsh(gram) > NEAR).sum())
        found.append(Solid(_name(gram, dimensions), tuple(kept[own].tolist()), dimensions, float(share[own].mean())))
    return sorted(found, key=lambda solid: (-len(solid.features), solid.features))


def told(found: list[Solid]) -> str:
    """Solids in words, such as "2 digon + dedicated".

    Arguments:
        found: of one model.
    """
    names = [solid.name for solid in found]
    counts = {name: names.count(name) for name in names}
    return " + ".join(name if k == 1 else f"{k} {name}" for name, k in counts.items()) or "nothing"


def _name(gram: Float[Tensor, "k k"], dimensions: int) -> str:
    """The regular solid with these cosines."""
    k = len(gram)
    for name, reference in _regular().items():
        if len(reference) == k and int(torch.linalg.matrix_rank(reference, tol=NEAR)) == dimensions:
            cosines = reference @ reference.T
            if float((_sorted(gram) - _sorted(cosines)).abs().max()) < NEAR:
                return name
    return f"{k} in {dimensions}"


def _sorted(gram: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    """Each feature's cosines in order, and the features in the order of these: the same for every numbering of a regular solid."""
    rows = gram.sort(dim=1).values
    return rows.sort(dim=0).values


def _regular() -> dict[str, Float[Tensor, "vertex dimension"]]:
    """The unit vectors of each solid."""
    turns = {k: torch.arange(k, dtype=torch.float64) * (2 * math.pi / k) for k in (3, 4, 5)}
    polygons = {k: torch.stack([turn.cos(), turn.sin()], dim=1) for k, turn in turns.items()}
    # heights of +-1/sqrt(3) make the antiprism's Gram matrix a multiple of a projection, as of the other solids: D is 3/8 for each vertex
    turned = torch.stack([(turns[4] + math.pi / 4).cos(), (turns[4] + math.pi / 4).sin()], dim=1)
    rings = torch.cat([polygons[4], turned]) * math.sqrt(2 / 3)
    heights = torch.tensor([1.0] * 4 + [-1.0] * 4, dtype=torch.float64)[:, None] / math.sqrt(3)
    corners = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64) / math.sqrt(3)
    return {
        "dedicated": torch.ones(1, 1, dtype=torch.float64),
        "digon": torch.tensor([[1.0], [-1.0]], dtype=torch.float64),
        "triangle": polygons[3],
        "tetrahedron": corners,
        "pentagon": polygons[5],
        "square antiprism": torch.cat([rings, heights], dim=1),
    }
