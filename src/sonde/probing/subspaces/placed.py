"""Pairs in a model, at a place: the runs of both sides, and what becomes of the answers when something is taken from the source.

Whatever is taken is an edit of the model's own forward (`Swap`, `Patch`); the answer of a pair is told by its margin, the best right answer's logit
minus the best wrong one's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Basis, Edit, Model, Patch, Run, Site, Swap
from sonde.access.forward import logits_for, measured
from sonde.probing.subspaces.pairs import Pairs, Row
from sonde.probing.subspaces.swaps import Swaps
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class Placed:
    """Pairs with the runs of both sides; made by `placed`.

    Arguments:
        model: that was run.
        pairs: on what.
        site: where values are taken.
        base, source: the runs, which have read the site.
        before, after: the margins of both, by the base's answers.
        wanted: whether the answer that the source stands for is on the right answers' side.
    """

    model: Model
    pairs: Pairs
    site: Site
    base: Run
    source: Run
    before: Float[Tensor, " pair"]
    after: Float[Tensor, " pair"]
    wanted: Bool[Tensor, " pair"]

    @property
    def width(self) -> int:
        """How many entries the site's last axis has."""
        return int(self.base[self.site].shape[-1])

    @property
    def differs(self) -> Bool[Tensor, " pair"]:
        """Whether base and source stand for different answers; the other pairs say nothing."""
        return (self.before > 0) != self.wanted

    @property
    def towards(self) -> tuple[Row, ...]:
        """The answers that each source stands for."""
        return tuple(
            answers if right else wrongs for answers, wrongs, right in zip(self.pairs.answers, self.pairs.wrongs, self.wanted.tolist(), strict=True)
        )

    def swap(self, basis: Basis) -> Swap:
        """The edit that takes the source's coordinates.

        Arguments:
            basis: of the site's last axis.
        """
        return Swap(self.site, self.source, basis)

    def patch(self) -> Patch:
        """The edit that takes the whole site."""
        return Patch(self.site, self.source)

    def under(self, edits: Mapping[str, Edit | None]) -> Swaps:
        """What becomes of the answers under each edit.

        Arguments:
            edits: one at a time, by name; `None` where there is nothing to write.
        """
        made = [edit for edit in edits.values() if edit is not None]
        margins = torch.full((len(edits), len(self.pairs)), torch.nan)
        there = torch.tensor([edit is not None for edit in edits.values()])
        margins[there] = self.model.sweep(self.pairs.base, made, self.pairs.margin, spans=self.pairs.spans).values.detach().float().cpu()
        return Swaps(tuple(edits), margins, self.before, self.after, self.wanted, self.pairs.groups)

    def differences(self) -> Float[Tensor, "pair row width"]:
        """Source minus base at the site, in float64; a row for each position or head that the site has."""
        flat = (self.source[self.site].double() - self.base[self.site].double()).cpu()
        return flat.reshape(len(self.pairs), -1, flat.shape[-1])


def placed(model: Model, pairs: Pairs, site: str | Site, wanted: Bool[Tensor, " pair"] | None = None) -> Placed:
    """Run both sides of pairs.

    Arguments:
        model: any model whose logits tell the answers.
        pairs: on what.
        site: where values are taken, with its last axis whole.
        wanted: on which side the source's answer is; by default where the model itself has it.

    Raises:
        InputError: a site of whole numbers. UnknownSite.
    """
    place = Site.parse(site)
    place = Site(model.locate(place.name).name, place.select)
    logits = logits_for(pairs.margin)
    base, source = (model.run(part, read=[str(place.whole())], logits=logits, spans=pairs.spans) for part in (pairs.base, pairs.source))
    if not base[place].is_floating_point():
        raise InputError(f"{place} holds whole numbers, which have no directions: name a site after it")
    before, after = (measured(pairs.margin, run).detach().float().cpu() for run in (base, source))
    return Placed(model, pairs, place, base, source, before, after, after > 0 if wanted is None else wanted)
