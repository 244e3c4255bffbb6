"""All baselines of one site at once, at one number of active coordinates, so that a dictionary is never shown alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sonde.access import Basis
from sonde.dictionaries.baselines.centres import kmeans
from sonde.dictionaries.baselines.coding import dictionary_learning, nmf
from sonde.dictionaries.baselines.linear import ica, neurons, pca, random_directions
from sonde.dictionaries.baselines.topics import topics
from sonde.jobs import track
from sonde.results import InputError, shown

BASELINES: dict[str, Callable[..., Basis]] = {
    "neurons": neurons, "random directions": random_directions, "pca": pca, "ica": ica, "nmf": nmf, "k-means": kmeans,
    "dictionary learning": dictionary_learning, "topics": topics,
}  # fmt: skip
UNSEEDED = ("neurons", "pca")
NARROW = ("pca", "ica")
"""Those that have at most as many directions as an activation has entries."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """What was fitted, and what could not be.

    Arguments:
        bases: by name.
        refused: why there is no other, by name.
    """

    bases: dict[str, Basis]
    refused: dict[str, str]


def fit(
    x: Float[Tensor, "rows width"], size: int, k: int | None = None, names: Sequence[str] = tuple(BASELINES), seed: int = 0,
    *, progress: bool = False,
) -> Baselines:  # fmt: skip
    """Baselines for a dictionary; one that these activations do not allow is told, and the others are fitted.

    Arguments:
        x: activations to fit on: as many as the dictionary's evaluation would be fair with, tens of thousands.
        size: how many coordinates, where a baseline can have any number; those that can have at most the width have that.
        k: how many coordinates of an activation are kept: the L0 of the dictionary that they stand beside.
        names: which.
        seed: of starts and draws.
        progress: show it.

    Raises:
        InputError: an unknown name, activations that are not finite.

    >>> import torch
    >>> found = fit(torch.randn(200, 6), size=12, k=2, names=("neurons", "random directions", "nmf"))
    >>> list(found.bases), found.refused["nmf"].split(",")[0]
    (['neurons', 'random directions'], 'nmf needs activations that are at least 0')
    """
    if unknown := [name for name in names if name not in BASELINES]:
        raise InputError(f"baselines {shown(unknown)}: choose from {', '.join(BASELINES)}")
    if not x.isfinite().all():
        raise InputError("activations that are not finite: look at the rows that hold nan or inf")
    found, refused = {}, {}
    for name in track(list(names), "baselines", shown=progress):
        options = {"k": 1 if name == "k-means" else k} | ({} if name in UNSEEDED else {"seed": seed})
        if name != "neurons":
            options["size"] = min(size, x.shape[1]) if name in NARROW else size
        try:
            found[name] = BASELINES[name](x.detach().float().cpu(), **options)
        except InputError as error:
            refused[name] = str(error)
    return Baselines(found, refused)
