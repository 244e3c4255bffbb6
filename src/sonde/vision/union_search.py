"""Is there a pair of mirrored pathways that inhibit each other and join? The search in the weights of consecutive layers.

The heads of dogs that face left and right, and the unit that answers to both (Olah et al. 2020, "Zoom In: An Introduction to Circuits"). Units pa and
pb of one layer lead to a and b of the next, and both to u. With S the sum of a slice W[out, in] over its places, z = (S - median) / (1.4826 MAD) over
all connections of the layer, and flip a slice turned left for right, there are nine criteria:

    the join             z(u, a) > 3,    z(u, b) > 3      cos(W[u, a], flip W[u, b]) > 0.6
    excitation within    z(a, pa) > 3,   z(b, pb) > 3     cos(W[a, pa], flip W[b, pb]) > 0.6
    inhibition across    z(a, pb) < -3,  z(b, pa) < -3    cos(W[a, pb], flip W[b, pa]) > 0.6

The margin is the least of the nine, each as a multiple of its threshold: above 1 all hold. The score is the least of the six |z|. All pairs (a, b)
are bounded from above at once, by z alone; they are then looked at from the highest bound down, until none that is left can be better.

A filter that is its own mirror image meets the criteria of mirroring by itself. So each candidate tells how sided it is: of the three pairs of
filters the least difference between their cosine mirrored and as they are. At 0 or below, left and right play no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

Z, COSINE = 3.0, 0.6
"""The thresholds."""

FEWEST = 12
"""Channels of a layer below which a median and its deviation say little."""

NEAREST = 5
"""Pairs that are kept as the nearest, whether or not they hold."""

MOST = 100_000
"""Circuits above which a search refuses to list them."""

_ROOM = 2**24  # numbers in a block of the bounds


@dataclass(frozen=True)
class UnionCircuit:
    """Two mirrored pathways and the unit that joins them.

    Arguments:
        u: the unit of the last layer.
        a, b: the units that it joins, and before them `pa` and `pb`, each inhibiting the other's.
        pa, pb: see `a`.
        margin: the least of the nine criteria as a multiple of its threshold; above 1 the circuit is there.
        score: the least of the six |z|, signed: negative where one has the wrong sign.
        criteria: all nine: z of the six connections and the three cosines, by name.
        sided: by how much mirrored filters are more alike than the filters as they are, the least of the three pairs; 0 or less where left and right
            play no part.
        before: pairs of still earlier layers that lead to `pa` and `pb` in the same way, nearest first.
    """

    u: int
    a: int
    b: int
    pa: int
    pb: int
    margin: float
    score: float
    criteria: dict[str, float]
    sided: float
    before: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class _Layer:
    """What the criteria ask of a layer's weights."""

    z: Float[Tensor, "out in"]
    unit: Float[Tensor, "out in place"]
    flipped: Float[Tensor, "out in place"]


def search(weights: Sequence[Float[Tensor, "_out _in _row _col"]], nearest: int = NEAREST) -> tuple[list[UnionCircuit], list[UnionCircuit]]:
    """The circuits in some layers' weights.

    Arguments:
        weights: of consecutive layers, the first layer first; the last one joins, each before it is a stage of the pathways.
        nearest: of how many pairs (a, b) the best candidate is given, whether or not it holds.

    Returns:
        The circuits, the highest score first; and the candidates that come nearest, the highest margin first.

    Raises:
        InputError: fewer than two layers, layers that do not follow each other, filters of one column, weights most of which are equal, or more
            circuits than can be listed.

    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <...>
    >>> found, near = search([torch.randn(16, 16, 3, 3), torch.randn(16, 16, 3, 3)])
    >>> found, near[0].margin < 1
    ([], True)
    """
    refuse_unfit(weights)
    *stages, join = (_layer(one, i) for i, one in enumerate(weights))
    first, last = stages[-1], join
    ups = _joins(last)
    bounds = torch.minimum(_paths(first), ups)
    a, b = torch.triu_indices(len(bounds), len(bounds), offset=1)
    order = bounds[a, b].argsort(descending=True, stable=True)
    found: list[UnionCircuit] = []
    near: list[UnionCircuit] = []
    for one, other, bound in zip(a[order].tolist(), b[order].tolist(), bounds[a, b][order].tolist(), strict=True):
        worst = (near[-1].margin if nearest else 1.0) if len(near) >= nearest else -torch.inf
        if bound <= min(1.0, worst):
            break
        path, joined = _pathways(first, one, other), _joined(last, one, other)
        near = sorted([*near, _best(first, last, one, other, path, joined)], key=lambda c: -c.margin)[:nearest]
        if bound <= 1:
            continue
        for pa, pb in (path > 1).nonzero().tolist():
            for u in (joined > 1).nonzero()[:, 0].tolist():
                found.append(_circuit(first, last, u, one, other, pa, pb))
        if len(found) > MOST:
            raise InputError(f"more than {MOST:,} circuits: the layers repeat the same filters, and so all of them look like pathways")
    chained = [_chained(stages, one) for one in found]
    return sorted(chained, key=lambda c: -c.score), near


def refuse_unfit(weights: Sequence[Float[Tensor, "_out _in _row _col"]]) -> None:
    """Raise where weights can't hold a union circuit.

    Arguments:
        weights: as for `search`.

    Raises:
        InputError: see `search`.
    """
    if len(weights) < 2:
        raise InputError(f"pathways that join take two layers or more that follow each other, and here {'is 1' if weights else 'are 0'}")
    for i, (one, two) in enumerate(pairwise(weights), 1):
        if two.shape[1] != one.shape[0]:
            raise InputError(f"layer {i + 1} reads {two.shape[1]} channels, and layer {i} gives {one.shape[0]}: they do not follow each other")
    for i, one in enumerate(weights, 1):
        if one.shape[3] == 1:
            raise InputError(f"the filters of layer {i} have one column, which is its own mirror image: take a layer with wider ones")


def strengths(weight: Float[Tensor, "out in row col"]) -> Float[Tensor, "out in"]:
    """Each connection's signed strength as a robust z: its distance from the layer's median in deviations (1.4826 times the median distance).

    Arguments:
        weight: of a layer.

    Raises:
        InputError: more than half of the connections are equal.
    """
    strength = weight.sum((2, 3))
    distance = strength - strength.median()
    deviation = 1.4826 * distance.abs().median()
    if not deviation > 0:
        raise InputError("more than half of a layer's connections are equally strong, so there is no scale to measure the others by")
    return distance / deviation


def _layer(weight: Float[Tensor, "out in row col"], number: int) -> _Layer:
    weight = weight.detach().float()
    unit = weight / weight.flatten(2).norm(dim=2).clamp(min=1e-30)[..., None, None]
    try:
        return _Layer(strengths(weight), unit.flatten(2), unit.flip(3).flatten(2))
    except InputError as error:
        raise InputError(f"layer {number + 1}: {error}") from None


def _paths(layer: _Layer) -> Float[Tensor, "out out"]:
    """What two units of a pathway reach at most, by z alone: each needs a channel that excites it and inhibits the other."""
    z = layer.z / Z
    rows = max(1, _ROOM // (len(z) * z.shape[1]))
    one_way = torch.cat([torch.minimum(part[:, None], -z[None]).amax(2) for part in z.split(rows)])
    return torch.minimum(one_way, one_way.T)


def _joins(layer: _Layer) -> Float[Tensor, "in in"]:
    """What two units reach at most as a join, by z alone: some unit that both excite."""
    z = layer.z.T / Z
    rows = max(1, _ROOM // (len(z) * z.shape[1]))
    return torch.cat([torch.minimum(part[:, None], z[None]).amax(2) for part in z.split(rows)])


def _pathways(layer: _Layer, a: int, b: int) -> Float[Tensor, "in in"]:
    """For each (pa, pb) the least of the six criteria of the pathways, as multiples of their thresholds."""
    one, other = (torch.minimum(layer.z[i], -layer.z[j]) / Z for i, j in ((a, b), (b, a)))
    cosine = layer.unit[a] @ layer.flipped[b].T / COSINE
    return torch.minimum(torch.minimum(one[:, None], other[None]), torch.minimum(cosine, cosine.T))


def _joined(layer: _Layer, a: int, b: int) -> Float[Tensor, " out"]:
    """For each u the least of the three criteria of the join."""
    cosine = (layer.unit[:, a] * layer.flipped[:, b]).sum(1) / COSINE
    return torch.minimum(torch.minimum(layer.z[:, a], layer.z[:, b]) / Z, cosine)


def _best(first: _Layer, last: _Layer, a: int, b: int, path: Float[Tensor, "in in"], joined: Float[Tensor, " out"]) -> UnionCircuit:
    pa, pb = divmod(int(path.argmax()), path.shape[1])
    return _circuit(first, last, int(joined.argmax()), a, b, pa, pb)


def _circuit(first: _Layer, last: _Layer, u: int, a: int, b: int, pa: int, pb: int) -> UnionCircuit:
    """One candidate with all its criteria."""
    z = {"u<a": last.z[u, a], "u<b": last.z[u, b], "a<pa": first.z[a, pa], "b<pb": first.z[b, pb], "a<pb": first.z[a, pb], "b<pa": first.z[b, pa]}
    filters = {
        "mirrored join": (last, u, a, u, b), "mirrored excitation": (first, a, pa, b, pb), "mirrored inhibition": (first, a, pb, b, pa),
    }  # fmt: skip
    cosines = {name: layer.unit[i, j] @ layer.flipped[k, m] for name, (layer, i, j, k, m) in filters.items()}
    sided = min(float(cosines[name] - layer.unit[i, j] @ layer.unit[k, m]) for name, (layer, i, j, k, m) in filters.items())
    claimed = [float(-value if name in ("a<pb", "b<pa") else value) for name, value in z.items()]
    margin = min(min(claimed) / Z, float(min(cosines.values())) / COSINE)
    return UnionCircuit(u, a, b, pa, pb, margin, min(claimed), {name: float(value) for name, value in (z | cosines).items()}, sided)


def _chained(stages: Sequence[_Layer], circuit: UnionCircuit) -> UnionCircuit:
    """The circuit with the pairs that lead to its pathways in still earlier layers, as far back as all six criteria hold."""
    a, b = circuit.pa, circuit.pb
    before = []
    for layer in reversed(stages[:-1]):
        path = _pathways(layer, a, b)
        if float(path.max()) <= 1:
            break
        a, b = divmod(int(path.argmax()), path.shape[1])
        before.append((a, b))
    return replace(circuit, before=tuple(before))
