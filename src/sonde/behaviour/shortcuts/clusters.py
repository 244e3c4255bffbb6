"""Ways of deciding: attribution maps of one class in clusters, as SpRAy does it (Lapuschkin et al. 2019, "Unmasking Clever Hans predictors").

Maps of the same size are joined to their nearest neighbours. With A the symmetric adjacency and D its degrees, the eigenvalues of
1 - D^-1/2 A D^-1/2 tell the clusters: as many as there are small ones before the largest gap. A cluster whose maps all point at one small window is
suspicious, above all if the other clusters of the class point elsewhere.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.behaviour.shortcuts.cues import Cue, usual_window
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import matrix, tabs

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class MapClusters(Result):
    """Maps in clusters, the one that points most narrowly first.

    Arguments:
        cluster: of each map.
        eigenvalues: of the graph, the smallest first.
        means: each cluster's mean map, of unit mass.
        concentration: the share of that mass in the window that holds most.
        windows: the row and column of that window's upper left corner.
        size: of the window.
    """

    cluster: Int[Tensor, " example"]
    eigenvalues: Float[Tensor, " value"]
    means: Float[Tensor, "cluster row col"]
    concentration: Float[Tensor, " cluster"]
    windows: Int[Tensor, "cluster 2"]
    size: int

    def candidates(
        self, pictures: Float[Tensor, "example channel row col"], others: Float[Tensor, "other channel row col"], outcome: int
    ) -> list[Cue]:
        """The window of each cluster as a cue: what its pictures have there. `shortcuts` tells which of them turn the answer.

        Arguments:
            pictures: those whose maps were clustered.
            others: pictures of other classes, for what stands there instead.
            outcome: the class.
        """
        found = []
        for number, (row, col) in enumerate(self.windows.tolist()):
            there = (slice(None), slice(None), slice(row, row + self.size), slice(col, col + self.size))
            mark, fill = (batch[there].median(0).values for batch in (pictures[self.cluster == number], others))
            found.append(usual_window(mark, (row, col), outcome, fill))
        return found

    def to_frame(self) -> "DataFrame":
        """One row per cluster."""
        import polars as pl

        rows = [(c, int((self.cluster == c).sum()), float(self.concentration[c]), *self.windows[c].tolist()) for c in range(len(self.concentration))]
        return pl.DataFrame(rows, ["cluster", "examples", "concentration", "row", "col"], orient="row")

    def drawing(self) -> Drawing:
        """Each cluster's mean map."""
        rows, cols = (range(n) for n in self.means.shape[1:])
        parts = [
            (
                f"cluster {c}",
                matrix(
                    f"Where {int((self.cluster == c).sum())} examples look", "share of the map", self.means[c], row_name="row", rows=rows,
                    col_name="column", cols=cols, scale="sequential", zero="not looked at",
                ),
            )
            for c in range(len(self.means))
        ]  # fmt: skip
        gaps = ", ".join(f"{value:.2f}" for value in self.eigenvalues.tolist())
        return tabs("In how many ways does it decide?", parts, note=f"Eigenvalues of the graph: {gaps}.")


def cluster_maps(
    maps: Float[Tensor, "example row col"], size: int = 2, neighbours: int = 8, most: int = 6, seed: int = 0, model_hash: str = ""
) -> MapClusters:
    """Cluster the attribution maps of one class.

    Arguments:
        maps: one per example, by any attribution method; sizes count, not signs.
        size: of the window whose share of the mass is the concentration.
        neighbours: that each map is joined to.
        most: the most clusters.
        seed: of k-means.
        model_hash: of the model that was explained.

    Raises:
        InputError: too few maps, maps that are all zero or not finite, a window larger than the maps.
    """
    if maps.ndim != 3 or len(maps) <= max(neighbours, most):
        raise InputError(f"maps {tuple(maps.shape)}: give more than {max(neighbours, most)} of them, (example row col); channels are summed first")
    if not 1 <= size <= min(maps.shape[1:]):
        raise InputError(f"size={size} is no window of maps of {maps.shape[1]} x {maps.shape[2]}")
    mass = maps.detach().abs().double().flatten(1)
    empty = (~mass.isfinite().all(1) | (mass.sum(1) == 0)).nonzero()[:, 0].tolist()
    if empty:
        raise InputError(f"{len(empty)} maps are zero or not finite, the first of example {empty[0]}: leave them out")
    shares = mass / mass.sum(1, keepdim=True)
    from sklearn.cluster import KMeans

    vectors, eigenvalues, k = _embedding(shares, neighbours, most)
    numbers = torch.as_tensor(KMeans(k, n_init=10, random_state=seed).fit_predict(vectors.numpy())).long()
    means = torch.stack([shares[numbers == c].mean(0) for c in range(k)]).view(k, *maps.shape[1:])
    held = torch.nn.functional.avg_pool2d(means[:, None], size, 1)[:, 0] * size**2
    order = held.amax((1, 2)).argsort(descending=True)
    places = torch.stack(torch.unravel_index(held.flatten(1).argmax(1), held.shape[1:]), 1)
    return MapClusters(
        cluster=order.argsort()[numbers],
        eigenvalues=eigenvalues[: most + 1].float(),
        means=means[order].float(),
        concentration=held.amax((1, 2))[order].float(),
        windows=places[order],
        size=size,
        recipe=Recipe.of(
            "sonde.behaviour.cluster_maps",
            {"size": size, "neighbours": neighbours, "most": most},
            model_hash=model_hash,
            inputs=maps.float(),
            seed=seed,
        ),
    )


def _embedding(shares: Float[Tensor, "example pixel"], neighbours: int, most: int) -> tuple[Float[Tensor, "example k"], Float[Tensor, " value"], int]:
    """Each map by the eigenvectors of the graph's first eigenvalues, as many as come before the largest gap."""
    near = torch.cdist(shares, shares)
    near.fill_diagonal_(torch.inf)
    joined = torch.zeros_like(near).scatter_(1, near.topk(neighbours, largest=False).indices, 1.0)
    adjacency = torch.maximum(joined, joined.T)
    scale = adjacency.sum(1).rsqrt()
    values, vectors = torch.linalg.eigh(torch.eye(len(shares), dtype=torch.float64) - scale[:, None] * adjacency * scale)
    gaps = values[1 : most + 1] - values[:most]
    k = int(gaps.argmax()) + 1
    chosen = vectors[:, :k]
    return chosen / chosen.norm(dim=1, keepdim=True).clamp(min=1e-12), values, k
