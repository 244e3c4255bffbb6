"""Probes of the known properties of a specimen, with what takes each property out: read from what is shipped, never trained here."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.probing.amnesic_results import Conclusion
from sonde.probing.erasure import By, Eraser, random_rows
from sonde.probing.property_table_results import encoded_matrix
from sonde.results import Drawing, InputError, Result, shown

if TYPE_CHECKING:
    from polars import DataFrame

MODEL = "specimen:words"
WEIGHTS = Path(__file__).with_name("weights")
CONTROLS = ("commonest class", "position", "word type", "untrained model")
"""Columns of the table that a probe has to beat."""


@dataclass(frozen=True, eq=False, repr=False)
class ShippedProbes(Result):
    """Of each property at each site a probe, and the directions without which no linear probe tells it.

    Arguments:
        names: the properties, of which it is asked whether they hold.
        sites: where they are read.
        weight, bias: of the log-odds of yes against no.
        centre, encoder, decoder: of each eraser: x - (e . (x - c)) d.
        covariance: of the states at each site, of the examples of all properties.
        figures: the table that the probes come from: how right each is on held-out examples, beside its controls, and what is lost without it.
        used_at: of each property the sites at which it is encoded and used.
    """

    names: list[str]
    sites: list[str]
    weight: Float[Tensor, "property site width"]
    bias: Float[Tensor, "property site"]
    centre: Float[Tensor, "property site width"]
    encoder: Float[Tensor, "property site width"]
    decoder: Float[Tensor, "property site width"]
    covariance: Float[Tensor, "site width width"]
    figures: Any
    used_at: list[list[str]]

    @property
    def conclusions(self) -> list[Conclusion]:
        """Of each property whether it is encoded, and used."""
        return [cast(Conclusion, says) for says in self.figures["in all"].to_list()[:: len(self.sites)]]

    @property
    def accuracy(self) -> Float[Tensor, "property site"]:
        """The share of held-out examples that each probe tells."""
        return torch.tensor(self.figures["probe"].to_list()).view(len(self.names), -1)

    @property
    def control(self) -> Float[Tensor, "property site"]:
        """The share that the best control tells: the commonest class, the place, the word, or a probe of an untrained model."""
        there = [name for name in CONTROLS if name in self.figures.columns]
        return torch.tensor(self.figures.select(there).max_horizontal().to_list()).view(len(self.names), -1)

    def reads(self, site: str, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "property *rows"]:
        """The probability that each property holds, as the probes of a site read it.

        Arguments:
            site: one of `sites`.
            x: activations there.

        Raises:
            InputError: another site.
        """
        j = self._site(site)
        return torch.sigmoid(torch.einsum("pd,...d->p...", self.weight[:, j], x.float()) + self.bias[:, j].view(-1, *[1] * (x.ndim - 1)))

    def eraser(self, name: str, site: str) -> Eraser:
        """What takes a property out at a site.

        Arguments:
            name: of the property.
            site: one of `sites`.

        Raises:
            InputError: another property or site.
        """
        i, j = self._name(name), self._site(site)
        encoder, decoder = self.encoder[i, j, None].double(), self.decoder[i, j, None].double()
        change = float((encoder @ self.covariance[j].double() @ encoder.T) * (decoder @ decoder.T))
        return Eraser("leace", self.centre[i, j].double(), encoder, decoder, change, float("nan"), float("nan"), 0)

    def random_erasers(self, name: str, site: str, draws: int, seed: int = 0, by: By = "rank") -> list[Eraser]:
        """Random directions beside a property's, taken out about the same mean.

        Arguments:
            name: of the property.
            site: one of `sites`.
            draws: how many.
            seed: of the draws.
            by: as many of them ("rank"), or as many as take out as much variance ("variance").
        """
        found, covariance = self.eraser(name, site), self.covariance[self._site(site)].double()
        rows = random_rows(found, covariance, draws, seed, by)
        return [Eraser("random", found.centre, one, one, float((one @ covariance @ one.T).trace()), float("nan"), float("nan"), 0) for one in rows]

    def to_frame(self) -> "DataFrame":
        """One row per property and site: the table that the probes come from."""
        return cast("DataFrame", self.figures)

    def drawing(self) -> Drawing:
        """What the probes tell of held-out examples, by property and site, beside the best control of each property and the verdict on it."""
        best = self.control.amax(1).tolist()
        details = [[f"the best control here: {float(one):.3f}" for one in row] + ["at its best site"] for row in self.control]
        return encoded_matrix(self.names, self.sites, self.accuracy.tolist(), best, self.conclusions, details)

    def _name(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"no probe of {shown(name, 40)} is shipped; there are {', '.join(self.names)}")
        return self.names.index(name)

    def _site(self, site: str) -> int:
        if site not in self.sites:
            raise InputError(f"no probe is shipped for {site!r}; there are {', '.join(self.sites)}")
        return self.sites.index(site)


@cache
def shipped() -> ShippedProbes:
    """The probes of `specimen:words`.

    >>> shipped().sites[0], len(shipped().names)
    ('embed', 12)
    """
    return ShippedProbes.load(WEIGHTS / "words")
