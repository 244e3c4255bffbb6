"""Which units answer to either of two cases that do not occur together, and keep their answer when one of the two is taken away?

The motif "union over cases" (Olah et al. 2020, "Zoom In"). With R the mean of a unit over its map, rectified, a unit fires on a picture where R lies
above the middle between its 5 % and its 95 % quantile over the pictures. Unit u of a layer unites the channels a and b before it where

    both excite it             z(u, a) > 3 and z(u, b) > 3, as in `union_search`, or above another bound that is given
    the cases differ           corr(R_a, R_b) <= 0 over the pictures
    either makes it fire       P(u fires | a or b fires) >= 0.9, and more than over all pictures
    each is a route            where a alone fires, u keeps half of R_u or more without b, and less without a than without b; and so for b

A unit that means several unrelated things looks the same from here: whether its cases mean the same is told by what reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected, untestable
from sonde.jobs import track
from sonde.nn import filters_permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import table
from sonde.vision.layers import refuse_others
from sonde.vision.normalisation import Normalisation
from sonde.vision.slices import layer_weights
from sonde.vision.union_checks import FIRED, read_all, responses
from sonde.vision.union_search import Z, strengths

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

HALF, OFTEN = 0.5, 0.9
LISTED = 20  # rows of the drawing
CHECKED = 3  # cases


@dataclass(frozen=True)
class UnionCase:
    """A unit that unites two channels before it.

    Arguments:
        u: the unit.
        a, b: the channels.
        z: how strongly they excite it.
        correlation: of both over the pictures.
        fires: how often u fires where one of them does.
        base: how often it fires at all.
        kept: of its value where a alone fires, and where b alone does, without the other.
        left: the same without the one that fires.
    """

    u: int
    a: int
    b: int
    z: tuple[float, float]
    correlation: float
    fires: float
    base: float
    kept: tuple[float, float]
    left: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("z", "kept", "left"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True, eq=False, repr=False)
class UnionCases(Result):
    """The units of a layer that unite two cases.

    Arguments:
        layer: of the units.
        sites: where the channels before it act, and where its units do.
        cases: by how much the unit loses without the case that is there.
        candidates: pairs of channels that excite a unit and do not occur together.
        null: how many unions there are in each network with shuffled filters.
        null_candidates: of how many candidates.
        notes: what was decided or found on the way.
    """

    layer: str
    sites: list[str]
    cases: list[UnionCase]
    candidates: int
    null: Int[Tensor, " draw"]
    null_candidates: Int[Tensor, " draw"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def to_frame(self) -> "DataFrame":
        """One row per union."""
        import polars as pl

        rows = [
            {"u": one.u, "a": one.a, "b": one.b, "z_a": one.z[0], "z_b": one.z[1], "correlation": one.correlation,
             "fires": one.fires, "base": one.base, "kept_a": one.kept[0], "kept_b": one.kept[1], "left_a": one.left[0], "left_b": one.left[1]}
            for one in self.cases
        ]  # fmt: skip
        names = ("z_a", "z_b", "correlation", "fires", "base", "kept_a", "kept_b", "left_a", "left_b")
        return pl.DataFrame(rows, schema=dict.fromkeys(("u", "a", "b"), pl.Int64) | dict.fromkeys(names, pl.Float64))

    def drawing(self) -> Drawing:
        """The unions as a table: how the cases excite the unit, how it fires, and what is left of it without either."""
        heads = ["u", "a", "b", "z a", "z b", "corr", "P u|a,b", "P u", "a -b", "a -a", "b -a", "b -b"]
        rows = [
            [one.u, one.a, one.b, *one.z, one.correlation, one.fires, one.base, one.kept[0], one.left[0], one.kept[1], one.left[1]]
            for one in self.cases[:LISTED]
        ]
        many = f" The first {LISTED} of {len(self.cases)} stand here." if len(self.cases) > LISTED else ""
        note = (
            "P: how often u fires; a -b: what is left of u without b where a alone fires. "
            f"{len(self.cases)} unions among {self.candidates} pairs that do not occur together; in {len(self.null)} networks with shuffled filters "
            f"{', '.join(map(str, self.null.tolist()))} among {', '.join(map(str, self.null_candidates.tolist()))}.{many}"
        )
        return table("Which units answer to either of two cases?", heads, rows, note=note)

    def check(
        self, model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", *,
        normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, draws: int = 20, seed: int = 0, batch_size: int = 64,
    ) -> list[Verdict]:  # fmt: skip
        """Whether the first three unions hold on other pictures: two claims on each, with intervals widened for their number.

        Arguments:
            model: the network that was asked.
            pictures: others than those by which the unions were chosen.
            normalise, size, batch_size: as for `union_cases`.
            draws: random units of the layer, at least 2.
            seed: of the draws.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        if not isinstance(draws, int) or draws < 2:
            raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
        read, means, _ = read_all(model, pictures, normalise, size, strict=True)
        ask = _Asked.of(model, self.sites, means(read), batch_size)
        generator = torch.Generator().manual_seed(seed)
        return corrected([verdict for one in self.cases[:CHECKED] for verdict in _verdicts(self.layer, one, ask, draws, generator)])


@dataclass(frozen=True, eq=False)
class _Asked:
    """A network's answers to some pictures.

    Arguments:
        before, after: of the channels that the layer reads, and of its units.
        fired_before, fired: where these fire.
        without: the units' answers to some pictures without a channel.
    """

    before: Float[Tensor, "picture channel"]
    after: Float[Tensor, "picture unit"]
    fired_before: Bool[Tensor, "picture channel"]
    fired: Bool[Tensor, "picture unit"]
    without: partial

    @classmethod
    def of(cls, model: Model, sites: Sequence[str], views: Float[Tensor, "picture channel row col"], batch_size: int) -> "_Asked":
        before, after = responses(model, sites, views, batch_size=batch_size)
        kept: dict[int, Tensor] = {}
        return cls(before, after, _fires(before), _fires(after), partial(_without, model, sites, views, batch_size, kept))

    def route(self, u: int, own: int, other: int) -> tuple[Float[Tensor, " picture"], Float[Tensor, " picture"]]:
        """On pictures in which one channel alone fires and the unit does: the shares of its value without the other, and without the one."""
        alone = self.fired_before[:, own] & ~self.fired_before[:, other] & self.fired[:, u]
        value = self.after[alone, u]
        return self.without(other)[alone, u] / value, self.without(own)[alone, u] / value


def _without(
    model: Model, sites: Sequence[str], views: Tensor, batch_size: int, kept: dict[int, Tensor], channel: int
) -> Float[Tensor, "picture unit"]:
    if channel not in kept:
        kept[channel] = responses(model, sites[1:], views, [(sites[0], channel)], batch_size=batch_size)[0]
    return kept[channel]


def _fires(values: Float[Tensor, "picture unit"]) -> Bool[Tensor, "picture unit"]:
    low, high = values.quantile(1 - FIRED, 0), values.quantile(FIRED, 0)
    return (values > (low + high) / 2) & (high > low)


def union_cases(
    model: Model, layer: str, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", *,
    normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, least: float = Z, draws: int = 4, seed: int = 0,
    batch_size: int = 64, progress: bool = False,
) -> UnionCases:  # fmt: skip
    """Search a layer for units that unite two channels before it which do not occur together.

    Arguments:
        model: a network of pictures.
        layer: the path of a convolution or a linear layer.
        pictures: from 0 to 1, or a folder; 16 at least.
        normalise: from pictures of 0 to 1 to what the network takes.
        size: to which files are brought.
        least: robust z of a channel that excites a unit.
        draws: networks with shuffled filters, at least 2.
        seed: of the shuffling.
        batch_size: pictures at once.
        progress: show a bar.

    Raises:
        InputError: too few pictures, or a layer that has no weights of its own.
        UnknownSite: no such layer.

    >>> import sonde
    >>> from sonde.specimens import shapes
    >>> found = union_cases(sonde.load("specimen:shapes"), "blocks.1.conv", shapes.pictures(60, 1).pictures, normalise="none", draws=2)
    >>> len(found.cases) <= found.candidates
    True
    """
    refuse_others(model)
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    read, means, left_out = read_all(model, pictures, normalise, size)
    if len(read) < 16:
        raise InputError(f"{len(read)} pictures are too few to say what occurs together: give 16 or more")
    views = means(read)
    weights = layer_weights(model, layer)
    sites = [f"{weights.layer}:in", f"{weights.folded or weights.layer}:out"]
    networks = [model, *(Model(filters_permuted(model.module, seed + draw), name=model.name) for draw in range(draws))]
    each = [_found(network, layer, sites, views, least, batch_size) for network in track(networks, "looking for unions", shown=progress)]
    (cases, candidates), others = each[0], each[1:]
    arguments = {"layer": layer, "normalise": str(means), "size": size, "least": least, "draws": draws}
    return UnionCases(
        layer=layer, sites=sites, cases=cases, candidates=candidates, null=torch.tensor([len(one) for one, _ in others]),
        null_candidates=torch.tensor([count for _, count in others]), notes=(*weights.notes, *left_out),
        recipe=Recipe.of("sonde.vision.union_cases", arguments, model_hash=model.hash, inputs=[read], seed=seed),
    )  # fmt: skip


def _found(model: Model, layer: str, sites: list[str], views: Tensor, least: float, batch_size: int) -> tuple[list[UnionCase], int]:
    """The unions of one network, and of how many candidates."""
    z = strengths(layer_weights(model, layer).weight)
    asked = _Asked.of(model, sites, views, batch_size)
    alive = asked.before.std(0) > 0
    correlation = torch.corrcoef(asked.before.T.double()).float()
    cases, candidates = [], 0
    for u in range(len(z)):
        parents = [i for i in (z[u] > least).nonzero()[:, 0].tolist() if alive[i]]
        for place, a in enumerate(parents):
            for b in parents[place + 1 :]:
                if correlation[a, b] > 0:
                    continue
                candidates += 1
                either = asked.fired_before[:, a] | asked.fired_before[:, b]
                base = float(asked.fired[:, u].float().mean())
                fires = float(asked.fired[either, u].float().mean()) if bool(either.any()) else 0.0
                if fires < OFTEN or fires <= base:
                    continue
                routes = [asked.route(u, a, b), asked.route(u, b, a)]
                if not all(len(kept) for kept, _ in routes):
                    continue
                (kept_a, left_a), (kept_b, left_b) = ((float(kept.mean()), float(left.mean())) for kept, left in routes)
                if min(kept_a, kept_b) >= HALF and left_a < kept_a and left_b < kept_b:
                    strong = (float(z[u, a]), float(z[u, b]))
                    cases.append(UnionCase(u, a, b, strong, float(correlation[a, b]), fires, base, (kept_a, kept_b), (left_a, left_b)))
    return sorted(cases, key=lambda one: max(left - kept for left, kept in zip(one.left, one.kept, strict=True))), candidates


def _verdicts(layer: str, one: UnionCase, asked: _Asked, draws: int, generator: torch.Generator) -> list[Verdict]:
    name = f"{layer}:{one.u}"
    fires = f"{name} fires where channel {one.a} or {one.b} before it does, more often than a random unit of the layer."
    route = f"{name} keeps its value without the one of channels {one.a} and {one.b} that a picture does not show, and not without the other."
    either = asked.fired_before[:, one.a] | asked.fired_before[:, one.b]
    alive = [unit for unit in range(asked.fired.shape[1]) if bool(asked.fired[:, unit].any()) and unit != one.u]
    measure, verdicts = "share of pictures", []
    if bool(either.any()) and len(alive) >= 2:
        chosen = torch.tensor(alive)[torch.randint(len(alive), (draws,), generator=generator)]
        control = asked.fired[either][:, chosen].float().T
        verdicts.append(
            compare(fires, "share of pictures", asked.fired[either, one.u].float(), control, threshold=OFTEN, threshold_source="as searched")
        )
    else:
        reason = "neither fires on these pictures" if len(alive) >= 2 else "the layer has no other units that fire"
        verdicts.append(untestable(fires, measure, reason, threshold=OFTEN, threshold_source="as searched"))
    routes = [asked.route(one.u, one.a, one.b), asked.route(one.u, one.b, one.a)]
    kept, left = (torch.cat([pair[i] for pair in routes]) for i in (0, 1))
    verdicts.append(compare(route, "share of the value that is kept", kept, left, threshold=HALF, threshold_source="half"))
    return verdicts
