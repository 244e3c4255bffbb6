"""What a network answers to pictures, as objectives ask for it: one forward for all of them, which ends after the last layer that is read."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.forward import differentiable
from sonde.access.run import Run
from sonde.access.sites import Site
from sonde.vision.layers import as_maps, site_of
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import Objective, Seen
from sonde.vision.transforms import sampled


def needed(model: Model, objectives: Sequence[Objective]) -> tuple[list[str], bool]:
    """The sites that objectives read, and whether one reads the network's output.

    Arguments:
        model: the network.
        objectives: what is sought.
    """
    layers = dict.fromkeys(layer for one in objectives for layer in one.layers)
    sites = list(dict.fromkeys(site_of(model, layer) for layer in layers))
    for site in sites:
        model.locate(Site.parse(site).name)
    return sites, any(one.outputs for one in objectives)


def valued(
    model: Model, objectives: Sequence[Objective], sizes: Sequence[int], pictures: Float[Tensor, "picture channel row col"],
    views: Float[Tensor, "picture channel height width"], sites: Sequence[str], outputs: bool, stop: bool,
) -> Float[Tensor, " picture"]:  # fmt: skip
    """The objectives' values on their groups of pictures, with their graph.

    Arguments:
        model: the network.
        objectives: one for each group.
        sizes: of the groups, which stand one after the other.
        pictures: from 0 to 1.
        views: what the network sees of them.
        sites, outputs: as `needed` gives them.
        stop: end the forward after the last of the sites: for a network that was seen to run each of them once.
    """

    def of(run: Run) -> Float[Tensor, " picture"]:
        groups = _groups(model, run, pictures, sizes)
        return torch.cat([objective.value(group) for objective, group in zip(objectives, groups, strict=True)])

    return differentiable(model, model.prepare(views), [], of, [Site.parse(site) for site in sites], None if outputs or not sites else False, stop)


def asked(
    model: Model, objectives: Sequence[Objective], pictures: Float[Tensor, "picture channel row col"], normalise: Normalisation, batch_size: int,
    view: tuple[int, int] | None,
) -> tuple[Float[Tensor, " picture"], list[dict[str, float]]]:  # fmt: skip
    """The objectives' values on pictures as they are, and those of their terms by name.

    Arguments:
        model, objectives: as for `valued`.
        pictures: those of all objectives, one after the other.
        normalise: what is done to them.
        batch_size: pictures at once, at least those of one objective.
        view: the size that the network takes, where it takes one only.
    """
    reached, terms = [], []
    sizes = [one.pictures for one in objectives]
    shown = pictures.split(sizes)
    for part in batches(sizes, batch_size):
        some = torch.cat(shown[part]).to(model.device)
        eye = torch.eye(3).expand(len(some), 3, 3)
        run = _run(model, objectives[part], normalise(sampled(some, eye, (some.shape[2], some.shape[3]), view)))
        for objective, answers in zip(objectives[part], _groups(model, run, some, sizes[part]), strict=True):
            reached.append(objective.value(answers).detach().cpu().float())
            values_of = {term.name: term.value(answers).detach().cpu().float() for term in objective.terms()}
            terms += [{name: float(value[i]) for name, value in values_of.items()} for i in range(objective.pictures)]
    return torch.cat(reached), terms


def batches(sizes: Sequence[int], batch_size: int) -> list[slice]:
    """Groups of pictures in batches: as many as fit, at least one.

    Arguments:
        sizes: how many pictures each group has.
        batch_size: pictures of a batch.

    >>> batches([1, 1, 5, 1], 3)
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    parts: list[slice] = []
    held = 0
    for i, size in enumerate(sizes):
        if parts and held + size <= batch_size:
            parts[-1], held = slice(parts[-1].start, i + 1), held + size
        else:
            parts.append(slice(i, i + 1))
            held = size
    return parts


def values(
    model: Model, objectives: Sequence[Objective], images: Float[Tensor, "image channel row col"], batch_size: int
) -> list[Float[Tensor, " image"]]:  # fmt: skip
    """The value of each of some objectives on each of many pictures, every one of which is run once.

    Arguments:
        model: the network.
        objectives: of one picture.
        images: as the network takes them.
        batch_size: pictures at once.
    """
    parts: list[list[Tensor]] = [[] for _ in objectives]
    for some in images.split(batch_size) if objectives else ():
        (answers,) = _groups(model, _run(model, objectives, some), some.to(model.device), [len(some)])
        for held, objective in zip(parts, objectives, strict=True):
            held.append(objective.value(answers).detach().cpu().float())
    return [torch.cat(held) for held in parts]


def _run(model: Model, objectives: Sequence[Objective], views: Tensor) -> Run:
    sites, outputs = needed(model, objectives)
    return model.run(views, read=sites, logits=outputs or not sites)


def _groups(model: Model, run: Run, pictures: Tensor, sizes: Sequence[int]) -> list[Seen]:
    """What each group of pictures is answered; every layer is unpacked once for all of them."""
    size = (pictures.shape[2], pictures.shape[3])
    unpacked: dict[str, tuple[Tensor, ...]] = {}
    shown = pictures.split(list(sizes))

    def maps(layer: str, group: int) -> Tensor:
        if layer not in unpacked:
            site = site_of(model, layer)
            unpacked[layer] = as_maps(model, site, run[site], ("batch", *run.axes(site)[1:]), size).split(list(sizes))
        return unpacked[layer][group]

    def seen(group: int) -> Seen:
        return Seen(lambda layer: maps(layer, group), lambda: run.logits.split(list(sizes))[group], shown[group])

    return [seen(group) for group in range(len(sizes))]
