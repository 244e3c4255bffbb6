"""How features split from a small dictionary to larger ones: each latent under the one of the next smaller dictionary that it split from."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Basis
from sonde.access.inputs import Given
from sonde.dictionaries.comparison.compare import Where, compare
from sonde.dictionaries.comparison.matching import SPLIT_COSINE
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Points, scatter, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MOST_ROWS = 30


@dataclass(frozen=True, eq=False, repr=False)
class SplittingTree(Result):
    """Latents of several dictionaries, each with its parent.

    Arguments:
        names: of the dictionaries, by size.
        parents: of each dictionary's latents, the latent of the one before; -1 where there is none.
        cosines: with the parent; nan where there is none.
        cofiring: how often the parent is active where the latent is; nan where there is none.
        density: how often each latent is active.
    """

    names: tuple[str, ...]
    parents: tuple[Int[Tensor, " _"], ...]
    cosines: tuple[Float[Tensor, " _"], ...]
    cofiring: tuple[Float[Tensor, " _"], ...]
    density: tuple[Float[Tensor, " _"], ...]

    def children(self, level: int, latent: int) -> Int[Tensor, " child"]:
        """The latents of the next larger dictionary that split from one.

        Arguments:
            level: the dictionary's place in `names`.
            latent: one of its latents.
        """
        if level + 1 == len(self.names):
            return torch.zeros(0, dtype=torch.long)
        return (self.parents[level + 1] == latent).nonzero().flatten()

    def below(self, latent: int) -> list[list[int]]:
        """All that split from a latent of the smallest dictionary, level by level, itself first.

        Arguments:
            latent: of the smallest dictionary.
        """
        levels = [[latent]]
        for level in range(len(self.names) - 1):
            levels.append([child for parent in levels[-1] for child in self.children(level, parent).tolist()])
        return levels

    def to_frame(self) -> "DataFrame":
        """One row per latent of each dictionary."""
        import polars as pl

        frames = [
            pl.DataFrame({"dictionary": [name] * len(parent), "latent": list(range(len(parent))), "parent": parent.tolist(),
                          "cosine": cosine.tolist(), "cofiring": cofiring.tolist(), "density": density.tolist()})
            for name, parent, cosine, cofiring, density in zip(self.names, self.parents, self.cosines, self.cofiring, self.density, strict=True)
        ]  # fmt: skip
        frame = pl.concat(frames)
        return frame.with_columns(pl.col("parent").replace(-1, None), pl.col("cosine").fill_nan(None), pl.col("cofiring").fill_nan(None))

    def drawing(self) -> Drawing:
        """The latents of which most has split, and the tree under the first of them."""
        sizes = [sum(map(len, self.below(i))) - 1 for i in range(len(self.parents[0]))]
        order = sorted(range(len(sizes)), key=lambda i: -sizes[i])[:MOST_ROWS]
        rows = [[i, *(len(level) for level in self.below(i)[1:])] for i in order]
        orphans = [f"{int((parent < 0).sum())} of {len(parent)} of {name}" for name, parent in list(zip(self.names, self.parents, strict=True))[1:]]
        listed = table("What splits most?", [f"latent of {self.names[0]}", *(f"under it in {name}" for name in self.names[1:])], rows,
                       note=f"without a parent: {', '.join(orphans)}")  # fmt: skip
        return tabs("How do features split?", [("most", listed), (f"latent {order[0]}", self.tree(order[0]))])

    def tree(self, latent: int) -> Drawing:
        """The tree under one latent of the smallest dictionary, level by level.

        Arguments:
            latent: of the smallest dictionary.
        """
        levels = self.below(latent)
        points = []
        for level, (name, latents) in enumerate(zip(self.names, levels, strict=True)):
            heights = [(place + 0.5) / len(latents) for place in range(len(latents))]
            labels = [f"{name}, latent {i}" + (f", under {int(self.parents[level][i])}" if level else "") for i in latents]
            points.append(Points(name, [level] * len(latents), heights, labels=labels))
        return scatter(f"What splits from latent {latent} of {self.names[0]}?", "dictionary, from small to large", "place among its level", points)


def splitting_tree(
    dictionaries: Mapping[str, Basis], x: Where, site: str | None = None, corpus: Given | None = None, bos: bool | None = None
) -> SplittingTree:  # fmt: skip
    """Put each latent of a larger dictionary under the one of the next smaller that it split from: the one that points its way most, or, where none
    does, the one that is most often active with it.

    Arguments:
        dictionaries: from the smallest to the largest, by name.
        x: activations, or the model.
        site: where, in a model.
        corpus: what the model reads.
        bos: whether texts begin with that token; by default as the tokenizer does.

    Raises:
        InputError: fewer than two, or not from small to large.
    """
    sizes = [basis.size for basis in dictionaries.values()]
    if len(sizes) < 2 or sizes != sorted(sizes):
        raise InputError(f"dictionaries of {sizes} latents: give two or more, from the smallest to the largest")
    parents = [torch.full((sizes[0],), -1)]
    angles, cofirings = [torch.full((sizes[0],), torch.nan)], [torch.full((sizes[0],), torch.nan)]
    densities: list[Tensor] = []
    found = None
    for (name, small), (larger, large) in pairwise(dictionaries.items()):
        found = compare(small, large, x, site, corpus, (name, larger), bos)
        densities += [] if densities else [found.first.firings / found.rows]
        densities.append(found.second.firings / found.rows)
        order = torch.where(found.split_cosine > SPLIT_COSINE, 1 + found.split_cosine, found.split_cofiring).argsort()
        parent, angle, cofiring = torch.full((large.size,), -1), torch.full((large.size,), torch.nan), torch.full((large.size,), torch.nan)
        child = found.splits[order, 1]  # of several parents the strongest is written last
        parent[child], angle[child], cofiring[child] = found.splits[order, 0], found.split_cosine[order], found.split_cofiring[order]
        parents.append(parent)
        angles.append(angle)
        cofirings.append(cofiring)
    assert found is not None
    recipe = Recipe.of(
        "sonde.dictionaries.splitting_tree", {"dictionaries": {name: basis.hash for name, basis in dictionaries.items()}, "site": site, "bos": bos},
        model_hash=found.recipe.model_hash, inputs=found.recipe.inputs_hash,
    )  # fmt: skip
    return SplittingTree(tuple(dictionaries), tuple(parents), tuple(angles), tuple(cofirings), tuple(d.float() for d in densities), recipe=recipe)
