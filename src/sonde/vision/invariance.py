"""Does a unit answer alike to a picture and to the changed picture? Layer by layer, beside networks with shuffled filters.

With R_u(x) the mean of unit u over its map, rectified, g an exact change of the pixels (mirror image, quarter turn, another hue), and over the
pictures x that excite it before or after,

    index(u, g) = mean of 1 - |R_u(x) - R_u(g x)| / (R_u(x) + R_u(g x)),    gain = (index - other) / (1 - other)

1 is a unit to which the change makes no difference, 0 one that answers to only one of the two. A unit that answers to everything alike is near 1
as well: so `other` is the same index between a picture and another one, and the gain is 1 where a change of x matters not at all, and 0 where it
matters as much as showing something else. Shuffled filters gain much under a mirror, too: they know no left and right.
What was learnt is the difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.sites import Site
from sonde.evidence import compare, corrected, untestable
from sonde.jobs import track
from sonde.nn import filters_permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Series, bars, lines
from sonde.vision.layers import refuse_others, site_of
from sonde.vision.normalisation import Normalisation
from sonde.vision.sentences import sentence
from sonde.vision.union_checks import read_all, responses

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

CHANGES = ("mirror", "quarter turn", "hue")
"""Left for right; by 90 degrees; red for green for blue for red, which turns every hue by 120 degrees."""


def changed(pictures: Float[Tensor, "picture channel row col"], change: str) -> Float[Tensor, "picture channel row col"]:
    """Pictures under one of the `CHANGES`.

    Arguments:
        pictures: before normalisation.
        change: which.

    Raises:
        InputError: no such change; a quarter turn of pictures that are not square, or another hue of grey ones.

    >>> changed(torch.eye(2)[None, None], "mirror")[0, 0].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    if change == "mirror":
        return pictures.flip(-1)
    if change == "quarter turn":
        if pictures.shape[2] != pictures.shape[3]:
            raise InputError(
                f"pictures of {pictures.shape[2]} x {pictures.shape[3]} change their shape in a quarter turn: cut them square, or leave it"
            )
        return pictures.rot90(1, (2, 3))
    if change == "hue":
        if pictures.shape[1] != 3:
            raise InputError(f"pictures of {pictures.shape[1]} channels have no hue: leave it")
        return pictures.roll(1, 1)
    raise InputError(f"there is no change {shown(change)}: there are {', '.join(CHANGES)}")


@dataclass(frozen=True, eq=False, repr=False)
class Invariance(Result):
    """How alike the units of some layers answer to pictures and to changed pictures.

    Arguments:
        layers: first to last.
        changes: of the pictures.
        index: of each layer's units, under each change; NaN of a unit that no picture excites.
        other: the same between a picture and another one.
        shuffled: the gain of each layer, its mean unit's, in networks with shuffled filters.
        by_picture: of each layer by how much the index of its mean unit exceeds that of another picture, picture by picture.
        shuffled_by_picture: the same of the networks with shuffled filters.
        notes: what was decided or found on the way.
    """

    layers: list[str]
    changes: list[str]
    index: dict[str, Float[Tensor, "change unit"]]
    other: dict[str, Float[Tensor, " unit"]]
    shuffled: dict[str, Float[Tensor, "draw change"]]
    by_picture: dict[str, Float[Tensor, "change picture"]]
    shuffled_by_picture: dict[str, Float[Tensor, "draw change picture"]]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def gain(self, layer: str) -> Float[Tensor, " change"]:
        """How much more alike a layer's mean unit answers under each change than to another picture: 1 for no difference at all, 0 for no more.

        Arguments:
            layer: of the asked ones.
        """
        return _gain(self.index[layer].nanmean(1), self.other[layer].nanmean())

    def to_frame(self) -> "DataFrame":
        """One row per layer, change and unit: its index, that of another picture, and the gain."""
        import polars as pl

        rows = []
        for layer in self.layers:
            gains = _gain(self.index[layer], self.other[layer])
            for i, change in enumerate(self.changes):
                for unit in range(len(self.other[layer])):
                    values = {"index": self.index[layer][i, unit], "other": self.other[layer][unit], "gain": gains[i, unit]}
                    rows.append(
                        {"layer": layer, "change": change, "unit": unit}
                        | {key: float(one) if one.isfinite() else None for key, one in values.items()}
                    )
        schema = {"layer": pl.String, "change": pl.String, "unit": pl.Int64, "index": pl.Float64, "other": pl.Float64, "gain": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def drawing(self) -> Drawing:
        """The gain along the layers, under each change, beside networks with shuffled filters."""
        own = [Series(change, [float(self.gain(layer)[i]) for layer in self.layers]) for i, change in enumerate(self.changes)]
        shuffled = [
            Series(f"{change}, shuffled filters", [float(self.shuffled[layer][:, i].mean()) for layer in self.layers])
            for i, change in enumerate(self.changes)
        ]
        note = "1: the change makes no difference; 0: as much as another picture does."
        told = " ".join([note, *map(sentence, self.notes)])
        return lines("How alike are the answers to a changed picture?", "invariance gain", "layer", self.layers, [*own, *shuffled], note=told)

    def units(self, layer: str, change: str = "mirror") -> Drawing:
        """The units of a layer under one change, each beside its index for another picture.

        Arguments:
            layer: of the asked ones.
            change: of the asked ones.

        Raises:
            InputError: another one.
        """
        if layer not in self.layers or change not in self.changes:
            raise InputError(
                f"{shown(layer)} under {shown(change)} was not asked for: there are {', '.join(self.layers)}, and {', '.join(self.changes)}"
            )
        i = self.changes.index(change)
        values = [None if one != one else one for one in self.index[layer][i].tolist()]
        other = Series("another picture", [None if one != one else one for one in self.other[layer].tolist()])
        labels = [f"{layer}:{unit}" for unit in range(len(values))]
        return bars(f"Which units answer alike under {change}?", "invariance index", labels, values, bar_control=other, zero="only one of the two")

    def check(self, model: Model) -> list[Verdict]:
        """Whether what each layer learnt makes it more invariant, picture by picture, than one more network with shuffled filters.

        The measure is by how much the index exceeds that of another picture; the intervals are widened for the number of claims.

        Arguments:
            model: the network that was asked.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        return corrected(self.claims())

    def claims(self) -> list[Verdict]:
        """The verdicts of `check`, not yet widened for their number: to be judged together with others."""
        verdicts = []
        for layer in self.layers:
            for i, change in enumerate(self.changes):
                claim = f"What {layer} learnt makes its answers more alike under {change} than those of shuffled filters are."
                measure = "index beyond that of another picture"
                own, control = self.by_picture[layer][i], self.shuffled_by_picture[layer][:, i]
                both = own.isfinite() & control.isfinite().all(0)
                if not bool(both.any()):
                    reason = "no picture excites the layer, or its shuffled copies"
                    verdicts.append(untestable(claim, measure, reason, threshold=0.0, threshold_source="above zero"))
                    continue
                verdicts.append(compare(claim, measure, own[both], control[:, both], threshold=0.0, threshold_source="above zero", exceeding="draw"))
        return verdicts


def invariance(
    model: Model, layers: Sequence[str] | str, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path",
    changes: Sequence[str] | None = None, *, normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, draws: int = 8,
    seed: int = 0, batch_size: int = 64, progress: bool = False,
) -> Invariance:  # fmt: skip
    """Measure how alike units answer to pictures and to changed pictures.

    Arguments:
        model: a network of pictures.
        layers: paths of modules, or sites.
        pictures: from 0 to 1, or a folder.
        changes: of `CHANGES`; by default all that the pictures allow.
        normalise: from pictures of 0 to 1 to what the network takes.
        size: to which files are brought.
        draws: networks with shuffled filters, at least 2.
        seed: of the shuffling.
        batch_size: pictures at once.
        progress: show a bar.

    Raises:
        InputError: no such change, or pictures that the network can't take.
        UnknownSite: no such layer.

    >>> import sonde
    >>> from sonde.specimens import shapes
    >>> found = invariance(sonde.load("specimen:shapes"), ["blocks.0.act", "blocks.3.act"], shapes.pictures(40, 1).pictures, ["mirror"],
    ...     normalise="none", draws=2)
    >>> [found.index[layer].shape for layer in found.layers]
    [torch.Size([1, 16]), torch.Size([1, 64])]
    """
    refuse_others(model)
    layers = [layers] if isinstance(layers, str) else list(layers)
    if not layers:
        raise InputError("no layers: name one or more")
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    sites = [site_of(model, layer) for layer in layers]
    for site in sites:
        model.locate(Site.parse(site).name)
    read, means, left_out = read_all(model, pictures, normalise, size)
    wanted = _allowed(read) if changes is None else list(changes)
    if len(read) < 2:
        raise InputError("1 picture: give two or more, so that each can be compared with another")
    generator = torch.Generator().manual_seed(seed)
    ring = torch.randperm(len(read), generator=generator)
    another = torch.empty_like(ring)
    another[ring] = ring.roll(1)  # each picture's other one
    views = [means(read), *(means(changed(read, change)) for change in wanted)]
    notes = tuple(f"no {change}: {'the pictures are not square' if change == 'quarter turn' else 'the pictures are grey'}"
                  for change in CHANGES if changes is None and change not in wanted)  # fmt: skip
    networks = [model, *(Model(filters_permuted(model.module, seed + draw), name=model.name) for draw in range(draws))]
    each = [_indices(network, sites, views, another, batch_size) for network in track(networks, "showing pictures", shown=progress)]
    arguments = {"layers": layers, "changes": wanted, "normalise": str(means), "size": size, "draws": draws}
    own, copies = each[0], each[1:]
    return Invariance(
        layers=layers, changes=wanted, index={layer: own[i][:-1].nanmean(2) for i, layer in enumerate(layers)},
        other={layer: own[i][-1].nanmean(1) for i, layer in enumerate(layers)},
        shuffled={layer: torch.stack([_layer_gain(one[i]) for one in copies]) for i, layer in enumerate(layers)},
        by_picture={layer: _beyond(own[i]) for i, layer in enumerate(layers)},
        shuffled_by_picture={layer: torch.stack([_beyond(one[i]) for one in copies]) for i, layer in enumerate(layers)},
        notes=(*notes, *left_out), recipe=Recipe.of("sonde.vision.invariance", arguments, model_hash=model.hash, inputs=[read], seed=seed),
    )  # fmt: skip


def _gain(index: Float[Tensor, "*any"], other: Float[Tensor, "*other"]) -> Float[Tensor, "*any"]:
    return (index - other) / (1 - other)


def _layer_gain(indices: Float[Tensor, "compared unit picture"]) -> Float[Tensor, " change"]:
    means = indices.nanmean(2).nanmean(1)
    return _gain(means[:-1], means[-1])


def _beyond(indices: Float[Tensor, "compared unit picture"]) -> Float[Tensor, "change picture"]:
    means = indices.nanmean(1)
    return means[:-1] - means[-1]


def _allowed(pictures: Float[Tensor, "picture channel row col"]) -> list[str]:
    fits = {"mirror": True, "quarter turn": pictures.shape[2] == pictures.shape[3], "hue": pictures.shape[1] == 3}
    return [change for change in CHANGES if fits[change]]


def _indices(
    model: Model, sites: Sequence[str], views: Sequence[Tensor], another: Int[Tensor, " picture"], batch_size: int
) -> list[Float[Tensor, "compared _unit picture"]]:  # fmt: skip
    """For each site, under each change and, in the last place, for another picture; NaN where neither picture excites the unit."""
    plain, *others = (responses(model, sites, one, batch_size=batch_size) for one in views)
    compared = [*others, [one[another] for one in plain]]
    return [torch.stack([1 - ((other[i] - plain[i]).abs() / (other[i] + plain[i])).T for other in compared]) for i in range(len(sites))]
