"""Dictionaries of several sizes as a tree: each feature hangs below the one of the next smaller dictionary that it is nearest to."""

from collections.abc import Sequence
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError


class Level(TypedDict):
    """One dictionary of the tree."""

    name: str
    size: int
    labels: list[str]
    parents: list[int | None]  # None in the smallest
    cosines: list[float | None]  # with the parent's direction
    here: bool  # whether its features have pages beside the tree


class Size(TypedDict):
    """A dictionary that becomes a level."""

    name: str
    directions: Float[Tensor, "latent width"]
    labels: Sequence[str]
    here: bool


def levels(sizes: Sequence[Size]) -> list[Level]:
    """The tree, from the smallest dictionary to the largest.

    Arguments:
        sizes: dictionaries of one site, in any order.

    Raises:
        InputError: widths that differ, or as many labels as there are no directions.
    """
    ordered = sorted(sizes, key=lambda one: len(one["directions"]))
    widths = {one["directions"].shape[1] for one in ordered}
    if len(widths) > 1:
        raise InputError(f"directions of {sorted(widths)} entries: a tree needs dictionaries of one site")
    found, parent = [], None
    for one in ordered:
        if len(one["labels"]) != len(one["directions"]):
            raise InputError(f"{len(one['labels'])} labels for the {len(one['directions'])} latents of {one['name']}: give one for each")
        units = torch.nn.functional.normalize(one["directions"].float(), dim=1)
        parents: list[int | None] = [None] * len(units)
        cosines: list[float | None] = [None] * len(units)
        if parent is not None:
            nearest = (units @ parent.T).max(dim=1)
            parents, cosines = nearest.indices.tolist(), nearest.values.tolist()
        found.append(Level(name=one["name"], size=len(units), labels=list(one["labels"]), parents=parents, cosines=cosines, here=one["here"]))
        parent = units
    return found
