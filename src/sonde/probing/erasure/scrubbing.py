"""Take a concept out at several sites: layer after layer, each eraser fitted on what the earlier ones leave (concept scrubbing, Belrose et al. 2023).

What is erased at one layer alone a later layer may compute again, and erasers that were fitted on the intact model leave it there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Int
from torch import Tensor

from sonde.access import Edit, Model, Site
from sonde.access.placed import PLACES
from sonde.probing.erasure.controls import By, random_erasers
from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.fitting import Kind, fitted, summed
from sonde.probing.erasure.sums import LeaceSums
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class Fit:
    """An eraser at a site, with the sums that it and its controls are made of.

    Arguments:
        site: where.
        eraser: fitted there.
        sums: over the states that it was fitted on.
    """

    site: Site
    eraser: Eraser
    sums: LeaceSums


def scrub(
    model: Model, data: Labelled, sites: str | Sequence[str], kind: Kind = "leace", pooling: Pooling = "last", seed: int = 0, progress: bool = False
) -> list[Edit]:  # fmt: skip
    """The edits that take a concept out at every one of some sites.

    Arguments:
        model: where.
        data: examples of the concept, all of which are fitted on.
        sites: names or globs; a site with a selection, such as `blocks.2.resid_post[pos=-1]`, is edited there only. The heads of
            a site such as `blocks.1.attn.z` are taken side by side, those of `blocks.1.attn.z[head=2]` alone.
        kind: as for `erase`.
        pooling: as for `read_states`.
        seed: of INLP's division.
        progress: show a bar.

    Returns:
        An edit for each site, in the order of the computation: for `model.run`, `sweep`, `generate`, `save_edits`.

    Raises:
        InputError: no site; what `read_states` and `erase` raise.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> texts = ["The key", "The keys", "The cat", "The cats", "A dog", "The dogs"]
    >>> data = Labelled.of(texts, ["singular", "plural"] * 3)
    >>> [str(edit.site) for edit in scrub(model, data, "blocks.*.resid_post")]
    ['blocks.0.resid_post', 'blocks.1.resid_post', 'blocks.2.resid_post']
    """
    return edits_of(list(scrubbed(model, data, placed_sites(model, sites), kind, pooling, seed=seed, progress=progress)))


def scrubbed(
    model: Model, data: Labelled, sites: Sequence[Site], kind: Kind, pooling: Pooling, first: States | None = None,
    train: Int[Tensor, " train"] | None = None, seed: int = 0, progress: bool = False,
) -> Iterator[Fit]:  # fmt: skip
    """What is fitted at each site, one after the other.

    Arguments:
        model, data, kind, pooling, seed, progress: as for `scrub`.
        sites: in the order of the computation.
        first: the states at the first site, where they were read already.
        train: the examples of the states that are fitted on; all by default.
    """
    edits: list[Edit] = []
    for site in sites:
        name = everywhere(site)
        states = first or read_states(model, data, name, pooling, progress=progress, edits=edits)
        first = None
        own = states if train is None else states.select(train)
        sums = summed(own[name], own.y)
        fit = Fit(site, fitted(own[name], own.y, sums, kind, own.data.groups, seed), sums)
        edits.append(fit.eraser.edit(site))
        yield fit


def everywhere(site: Site) -> str:
    """The name of a site at all positions: of the heads that it selects, if it selects any.

    Arguments:
        site: with or without a selection.

    >>> everywhere(Site.parse("blocks.1.attn.z[head=2, pos=-1]"))
    'blocks.1.attn.z[head=2]'
    """
    return str(Site(site.name, tuple((axis, index) for axis, index in site.select if axis not in PLACES)))


def edits_of(fits: Sequence[Fit]) -> list[Edit]:
    """The removal at all of the sites."""
    return [fit.eraser.edit(fit.site) for fit in fits]


def random_fits(fits: Sequence[Fit], draws: int, seed: int, by: By) -> list[list[Fit]]:
    """Random removals at the same sites, one list for each draw.

    Arguments:
        fits: what they are a control for.
        draws, by: as for `random_erasers`.
        seed: of the draws; each site has draws of its own.
    """
    drawn = [random_erasers(fit.eraser, fit.sums, draws, seed + draws * i, by) for i, fit in enumerate(fits)]
    return [[replace(fit, eraser=eraser) for fit, eraser in zip(fits, draw, strict=True)] for draw in zip(*drawn, strict=True)]


def placed_sites(model: Model, sites: str | Sequence[str]) -> list[Site]:
    """The sites that are meant, in the order of the computation.

    Arguments:
        model: has them.
        sites: names or globs, also with selections.

    Raises:
        InputError: no site.
    """
    named = [site for pattern in ([sites] if isinstance(sites, str) else sites) for site in model.sites(pattern)]
    if not named:
        raise InputError("no site is named: give at least one, such as 'blocks.1.resid_post'")
    order = {name: i for i, name in enumerate(model.site_names)}
    return sorted(dict.fromkeys(named), key=lambda site: order.get(site.name, len(order)))
