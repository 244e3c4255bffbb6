"""How often latents fire: L0, density, dead and dense ones, counted over a whole stream.

A latent fires where its coordinate is not 0: of signed codes that is more than where it is above 0.

Shape legend: F latents.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.bases import Codes
from sonde.results import InputError

DENSE = 0.1
"""A latent that fires in more than this share of the activations is dense."""
EDGES = tuple(i / 2 for i in range(-14, 1))
"""Of the histogram of densities, in powers of ten: from 1e-7 to 1."""


@dataclass
class Activity:
    """Firings of each latent in a stream of codes.

    Arguments:
        size: how many latents there are.

    >>> Activity(3).update(Codes.of(torch.tensor([[1.0, 0.0, -2.0], [0.0, 0.0, 3.0]]))).l0
    1.5
    """

    size: int
    rows: int = field(default=0, init=False)
    firings: Int[Tensor, " latent"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.firings = torch.zeros(self.size, dtype=torch.long)

    def update(self, codes: Codes) -> "Activity":
        """Count the codes of more activations.

        Arguments:
            codes: one row for each.
        """
        fired = codes.without_zeros()
        self.rows += len(fired)
        self.firings += torch.bincount(fired.latents, minlength=self.size).cpu()
        return self

    @property
    def l0(self) -> float:
        """How many latents fire in an activation, on average."""
        return int(self.firings.sum()) / self._counted()

    @property
    def density(self) -> Float[Tensor, " latent"]:
        """The share of the activations in which each latent fires."""
        return self.firings.double() / self._counted()

    @property
    def dead(self) -> float:
        """The share of the latents that never fired in these `rows` activations."""
        return float((self.firings == 0).double().mean())

    @property
    def dense(self) -> float:
        """The share of the latents that fire in more than a tenth of the activations."""
        return float((self.density > DENSE).double().mean())

    def _counted(self) -> int:
        if not self.rows:
            raise InputError("no activations were counted: give at least one")
        return self.rows


def histogram(density: Float[Tensor, " latent"]) -> list[int]:
    """How many latents have a density in each interval of `EDGES`; those that never fire are in none.

    Arguments:
        density: of each latent.

    >>> sum(histogram(torch.tensor([0.0, 1e-3, 0.5, 1.0])))
    3
    """
    logs = density[density > 0].double().log10().clamp(EDGES[0], EDGES[-1])
    places = torch.searchsorted(torch.tensor(EDGES[1:-1], dtype=torch.float64), logs, right=True)
    return torch.bincount(places, minlength=len(EDGES) - 1).tolist()
