"""Does a union circuit work on pictures as its weights say? Five claims, each beside random units of the same layers.

R_v(x) is the mean of unit v over its map, rectified: an inhibition lowers it wherever it acts, and the largest value alone may lie elsewhere. x' is
the mirror image of x, and v is ablated by setting its map to zero.

    mirrored      R_a(x) and R_b(x') rise and fall together, more than those of random pairs
    union         R_u(x) and R_u(x') do, more than those of a random unit of its layer
    inhibition    on pictures in which both sources pa and pb are seen, b rises without pa, and a without pb, more than without a random unit
    two routes    without the route that a picture uses less u keeps its value, and without the one that it uses more it does not
    both          without both u loses its value, more than without two random units

A correlation can't exceed 1, and those of random pairs may reach far: the control is their mean, so that a claim alone may hold by chance. How often
all five do so is counted on random candidates (docs/union_study.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model, Zero
from sonde.access.sites import Site
from sonde.evidence import compare, untestable
from sonde.results import InputError, Verdict, shown
from sonde.vision.files import Pictures, pictures_of
from sonde.vision.layers import as_maps, fitting, view_of
from sonde.vision.normalisation import Normalisation, normalisation

if TYPE_CHECKING:
    import numpy as np

    from sonde.vision.union_search import UnionCircuit
    from sonde.vision.unions import UnionCircuits

TOGETHER = 0.5
HALF = "half of what could be"
SEEN = 0.25  # of the pictures: those in which the weaker of two units is strongest
FIRED = 0.95  # quantile that counts as a unit's full value
LEAST = 8  # pictures


def checked(
    found: "UnionCircuits", model: Model, given: Sequence["UnionCircuit"],
    pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", normalise: Normalisation | str | None,
    size: int | tuple[int, int] | None, draws: int, seed: int, batch_size: int,
) -> list[Verdict]:  # fmt: skip
    """The verdicts on some candidates, not yet widened for their number.

    Arguments:
        found: the search.
        model: the network that was searched.
        given: the candidates.
        pictures, normalise, size, draws, seed, batch_size: as for `UnionCircuits.check`.
    """
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    read, means, _ = read_all(model, pictures, normalise, size, strict=True)
    views = means(read)
    ask = partial(responses, model, found.sites[-3:], batch_size=batch_size)
    plain, mirrored = ask(views), ask(views.flip(-1))
    verdicts = []
    for one in given:
        verdicts += _verdicts(found, one, ask, views, plain, mirrored, draws, torch.Generator().manual_seed(seed))
    return verdicts


def read_all(
    model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", normalise: Normalisation | str | None,
    size: int | tuple[int, int] | None, strict: bool = False,
) -> tuple[Float[Tensor, "picture channel row col"], Normalisation, tuple[str, ...]]:  # fmt: skip
    """All pictures that can be read, what makes of them what the network takes, and a note on files that were left out.

    Arguments:
        model: the network.
        pictures: from 0 to 1, or a folder.
        normalise: from pictures of 0 to 1 to what the network takes.
        size: to which files are brought.
        strict: refuse a folder with broken files instead: what is returned has no place for the note.

    Raises:
        InputError: none that can be read, or of different sizes.
    """
    means = normalisation(model, normalise)
    is_folder = isinstance(pictures, str | Path) and Path(pictures).is_dir()
    source: Pictures = pictures_of(pictures, fitting(model)[1], view_of(model) if size is None and is_folder else size)
    read = [picture for _, picture in source.read(range(source.count))]
    some = [f"{name} {why}" for name, why in source.broken.items()]
    told = "; ".join(some[:3]) + (f"; and {len(some) - 3} more" if len(some) > 3 else "")
    if not read:
        raise InputError(f"none of the {source.count} files is a picture that can be read; the first: {some[0]}")
    if strict and source.broken:
        raise InputError(f"{len(source.broken)} of {source.count} files can't be read: {told}; take them out of the folder")
    if len({tuple(one.shape) for one in read}) > 1:
        raise InputError("the pictures differ in size: say to which size they are brought with size=")
    return torch.stack(read), means, (f"{len(source.broken)} of {source.count} files were left out: {told}",) if source.broken else ()


def responses(
    model: Model, sites: Sequence[str], views: Float[Tensor, "picture channel row col"], without: Sequence[tuple[str, int]] = (), *,
    batch_size: int = 64,
) -> list[Float[Tensor, "picture _unit"]]:  # fmt: skip
    """The mean of every unit over its map, rectified, at each site.

    Arguments:
        model: the network.
        sites: where the units act.
        views: the pictures as the network takes them.
        without: units that are set to zero: site and number.
        batch_size: pictures at once.
    """
    parts = []
    for some in views.split(batch_size):
        run = model.run(some, read=list(sites), edits=[Zero(_unit(model, site, unit)) for site, unit in without], logits=False)
        size = (some.shape[2], some.shape[3])
        maps = (as_maps(model, site, run[site], ("batch", *run.axes(site)[1:]), size).detach().float().cpu() for site in sites)
        parts.append([one.clamp(min=0).flatten(2).mean(2) if one.ndim > 2 else one.clamp(min=0) for one in maps])
    return [torch.cat(each) for each in zip(*parts, strict=True)]


def _unit(model: Model, site: str, unit: int) -> str:
    return f"{Site.parse(site).name}[channel={unit}]"


def together(first: Float[Tensor, " picture"], second: Float[Tensor, " picture"]) -> Float[Tensor, " picture"]:
    """For each picture the product of two standardised values; their mean is the correlation. Zeros where one does not vary.

    Arguments:
        first, second: a value for each picture.

    >>> together(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 6.0])).mean().round()
    tensor(1.)
    """
    scaled = [(one - one.mean()) / one.std(correction=0).clamp(min=1e-12) for one in (first, second)]
    return scaled[0] * scaled[1]


@dataclass(frozen=True, eq=False)
class _Asked:
    """What the claims share.

    Arguments:
        one: the candidate.
        name: what it is called in the claims.
        sites: of the sources, the parts and the union.
        plain: what each unit of the three layers answered to each picture.
        mirrored: the same, to the mirror images.
        ask: asks again, with units ablated.
        views: the pictures as the network takes them.
        draws: random units.
        generator: of the draws.
    """

    one: "UnionCircuit"
    name: str
    sites: list[str]
    plain: list[Float[Tensor, "picture _unit"]]
    mirrored: list[Float[Tensor, "picture _unit"]]
    ask: partial
    views: Tensor
    draws: int
    generator: torch.Generator

    def others(self, level: int, but: Sequence[int], count: int = 1) -> Iterator[list[int]]:
        """Random units of a layer that answer to some picture, in groups.

        Raises:
            InputError: there are too few.
        """
        alive = [unit for unit in range(self.plain[level].shape[1]) if float(self.plain[level][:, unit].std(correction=0)) > 0 and unit not in but]
        if len(alive) < count + 1:
            raise InputError(f"{self.sites[level]} has {len(alive)} other units that answer to these pictures: too few to compare with")
        for _ in range(self.draws):
            yield [alive[i] for i in torch.randperm(len(alive), generator=self.generator)[:count].tolist()]


def _verdicts(
    found: "UnionCircuits", one: "UnionCircuit", ask: partial, views: Tensor, plain: list[Tensor], mirrored: list[Tensor], draws: int,
    generator: torch.Generator,
) -> list[Verdict]:  # fmt: skip
    first, join = found.layers[-2], found.layers[-1]
    name = f"{first}:{one.a} and :{one.b} with {join}:{one.u}{'' if one.margin > 1 else ', no circuit by its weights'}"
    asked = _Asked(one, name, found.sites[-3:], plain, mirrored, ask, views, draws, generator)
    return [_mirrored(asked), _union(asked), _inhibition(asked), *_routes(asked)]


def _mirrored(asked: _Asked) -> Verdict:
    one, (_, parts, _), (_, flipped, _) = asked.one, asked.plain, asked.mirrored
    claim = f"{asked.name}: one answers to a picture as the other does to its mirror image, more than two random units of the layer."
    control = torch.stack([together(parts[:, i], flipped[:, j]) for i, j in asked.others(1, (one.a, one.b), 2)])
    return compare(
        claim, "correlation over pictures", together(parts[:, one.a], flipped[:, one.b]), control, threshold=TOGETHER, threshold_source=HALF,
        least=LEAST,
    )  # fmt: skip


def _union(asked: _Asked) -> Verdict:
    u, unions, flipped = asked.one.u, asked.plain[2], asked.mirrored[2]
    claim = f"{asked.name}: the union answers to a picture as to its mirror image, more than a random unit of its layer."
    control = torch.stack([together(unions[:, i], flipped[:, i]) for (i,) in asked.others(2, (u,))])
    return compare(
        claim, "correlation over pictures", together(unions[:, u], flipped[:, u]), control, threshold=TOGETHER, threshold_source=HALF,
        least=LEAST,
    )  # fmt: skip


def _inhibition(asked: _Asked) -> Verdict:
    one, (sources, parts, _) = asked.one, asked.plain
    claim = f"{asked.name}: where the sources of both are seen, each is held down by the other's source, more than by a random unit."
    measure, threshold, source = "rise without the other's source, as a share of the full value", 0.0, "above zero"
    full = parts.quantile(FIRED, dim=0)
    seen = torch.minimum(*(sources[:, i] / sources[:, i].max().clamp(min=1e-12) for i in (one.pa, one.pb)))
    chosen = ((seen > 0) & (seen >= seen.quantile(1 - SEEN))).nonzero()[:, 0]
    if min(float(full[one.a]), float(full[one.b])) <= 0 or not len(chosen):
        reason = "one of the parts is silent on these pictures" if len(chosen) else "no picture shows the sources of both"
        return untestable(claim, measure, reason, threshold=threshold, threshold_source=source)

    def rise(part: int, unit: int) -> Float[Tensor, " picture"]:
        after = asked.ask(asked.views[chosen], [(asked.sites[0], unit)])[1][:, part]
        return (after - parts[chosen, part]) / full[part]

    own = (rise(one.b, one.pa) + rise(one.a, one.pb)) / 2
    control = torch.stack([(rise(one.b, i) + rise(one.a, i)) / 2 for (i,) in asked.others(0, (one.pa, one.pb))])
    return compare(claim, measure, own, control, threshold=threshold, threshold_source=source, least=LEAST)


def _routes(asked: _Asked) -> list[Verdict]:
    """Whether u keeps its value without the route that a picture uses less, and loses it without both."""
    one, (_, parts, unions), site = asked.one, asked.plain, asked.sites[1]
    full = unions[:, one.u].quantile(FIRED)
    fired = (unions[:, one.u] >= full / 2).nonzero()[:, 0] if full > 0 else torch.zeros(0, dtype=torch.int64)
    kept = f"{asked.name}: without the route that a picture uses less the union keeps its value; without the other it does not."
    lost = f"{asked.name}: without both routes the union loses its value, more than without two random units."
    kept_measure, lost_measure = "share of the union's value that is kept", "share of the union's value that is lost"
    if not len(fired):
        reason = "no picture excites the union"
        return [untestable(claim, measure, reason, threshold=TOGETHER, threshold_source=HALF)
                for claim, measure in ((kept, kept_measure), (lost, lost_measure))]  # fmt: skip
    before, views = unions[fired, one.u], asked.views[fired]

    def share(*units: int) -> Float[Tensor, " picture"]:
        return asked.ask(views, [(site, unit) for unit in units])[2][:, one.u] / before

    scaled = [parts[fired, i] / parts[:, i].max().clamp(min=1e-12) for i in (one.a, one.b)]
    without = torch.stack([share(one.a), share(one.b)])
    more: Int[Tensor, " picture"] = (scaled[1] > scaled[0]).long()
    place = torch.arange(len(fired))
    control = torch.stack([1 - share(*pair) for pair in asked.others(1, (one.a, one.b), 2)])
    return [
        compare(kept, kept_measure, without[1 - more, place], without[more, place], threshold=TOGETHER, threshold_source=HALF, least=LEAST),
        compare(lost, lost_measure, 1 - share(one.a, one.b), control, threshold=TOGETHER, threshold_source=HALF, least=LEAST),
    ]
