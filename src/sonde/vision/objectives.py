"""What is to be made as large as possible: values that add up, such as `0.2 * Channel("mixed4a", 20) + 0.8 * Channel("mixed4a", 21)`.

    neuron     a_k at one place                                     channel   mean over places of a_k
    direction  mean over places of (a . v) max(0.1, cos(a, v))^q    layer     mean of a^2 (what Deep Dream climbs)
    diversity  - mean over pairs of cos(G_i, G_j),  G = A A^T the Gram matrix of a picture's maps, over places
    alignment  - mean over pairs up to four apart of mean (a_i - a_j)^2 / 2^|i - j|

(Olah, Mordvintsev and Schubert 2017; constants are those of lucid.) The sign turns a maximum into a minimum: `-Channel("conv", 3)`. A layer is
any site: coordinates of an attached basis or dictionary, an image encoder's patches.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, SiteUnavailable, shown

LEAST_COSINE = 0.1
BLUR = ((0.5, 1.0, 0.5), (1.0, 6.0, 1.0), (0.5, 1.0, 0.5))  # lucid's, before it is divided by its sum


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network answers to the pictures of one objective.

    Arguments:
        maps: from a layer to its values, (picture unit row col) or (picture unit).
        logits: gives the network's output, (picture class).
        pictures: the pictures themselves, from 0 to 1.
    """

    maps: Callable[[str], Tensor]
    logits: Callable[[], Tensor]
    pictures: Float[Tensor, "picture channel row col"]


class Objective(ABC):
    """Base of all objectives: one number for each picture of a group."""

    layers: tuple[str, ...] = ()
    """The layers that it reads."""
    outputs: bool = False
    """Whether it reads the network's output."""

    @property
    def pictures(self) -> int:
        """How many pictures are sought together."""
        return 1

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called under a picture."""

    @abstractmethod
    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """One number for each picture, with its graph."""

    def terms(self) -> "list[Objective]":
        """The objectives that it is the weighted sum of."""
        return [self]

    def __add__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            raise InputError(f"{shown(other)} is no objective: add one, or multiply by a number")
        return Sum.of([(1.0, self), (1.0, other)])

    def __sub__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            raise InputError(f"{shown(other)} is no objective: subtract one, or multiply by a number")
        return Sum.of([(1.0, self), (-1.0, other)])

    def __mul__(self, weight: float | Sequence[float]) -> "Objective":
        return Sum.of([(weight, self)])

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return Sum.of([(-1.0, self)])

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Sum(Objective):
    """A weighted sum of objectives, which the operators make.

    Arguments:
        parts: the objectives, none of them a sum.
        weights: for each one number, or one for each picture: a row of pictures goes from one objective to another.
    """

    parts: tuple[Objective, ...]
    weights: tuple[tuple[float, ...], ...]

    @staticmethod
    def of(weighted: Sequence[tuple[Any, Objective]]) -> "Sum":
        """The sum, with sums inside it taken apart.

        Arguments:
            weighted: weights, each a number or one for each picture, with their objectives.

        Raises:
            InputError: what is no weight, or weights for different numbers of pictures.

        >>> print(0.2 * Channel("conv", 3) - Channel("conv", 4))
        0.2 conv:3 - conv:4
        """
        parts: list[Objective] = []
        weights: list[tuple[float, ...]] = []
        for weight, objective in weighted:
            outer = _weights(weight)
            inner = objective if isinstance(objective, Sum) else Sum((objective,), ((1.0,),))
            for part, own in zip(inner.parts, inner.weights, strict=True):
                longest = max(len(outer), len(own))
                if len({len(outer), len(own), 1}) > 2:
                    raise InputError(f"weights for {len(outer)} pictures meet weights for {len(own)}: give as many, or one number")
                parts.append(part)
                weights.append(tuple(a * b for a, b in zip(_spread(outer, longest), _spread(own, longest), strict=True)))
        made = Sum(tuple(parts), tuple(weights))
        counts = {len(one) for one in weights} | {part.pictures for part in parts}
        if len(counts | {1}) > 2:
            raise InputError(f"objectives of {' and '.join(map(str, sorted(counts - {1})))} pictures can't be added: they must be of as many")
        return made

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The layers of all parts."""
        return tuple(dict.fromkeys(layer for part in self.parts for layer in part.layers))

    @property
    def outputs(self) -> bool:  # type: ignore[override]
        """Whether a part reads the network's output."""
        return any(part.outputs for part in self.parts)

    @property
    def pictures(self) -> int:
        """As many as a part needs, or there are weights."""
        return max(*(part.pictures for part in self.parts), *map(len, self.weights))

    @property
    def name(self) -> str:
        """The sum in words; a weight that differs between pictures as its ends."""
        words = ""
        for part, weight in zip(self.parts, self.weights, strict=True):
            low = weight[0]
            size = f"{abs(low):g}" if len(weight) == 1 else f"({weight[0]:g} to {weight[-1]:g})"
            sign = "-" if len(weight) == 1 and low < 0 else "+"
            words += (f" {sign} " if words else ("-" if sign == "-" else "")) + ("" if size == "1" else f"{size} ") + part.name
        return words

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The weighted sum of the parts' values."""
        total = torch.zeros(len(seen.pictures), device=seen.pictures.device)
        for part, weight in zip(self.parts, self.weights, strict=True):
            total = total + torch.tensor(weight, device=total.device) * part.value(seen)
        return total

    def terms(self) -> list[Objective]:
        """The parts."""
        return list(self.parts)


@dataclass(frozen=True, eq=False)
class Neuron(Objective):
    """A unit at one place; of a layer without places the unit.

    Arguments:
        layer: a site, or a module's path.
        unit: its number.
        at: row and column; the middle if not given.

    >>> print(Neuron("conv1", 3, at=(0, 2)))
    conv1:3 at 0, 2
    """

    layer: str
    unit: int
    at: tuple[int, int] | None = None

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer."""
        return (self.layer,)

    @property
    def name(self) -> str:
        """Layer and number, and the place where it was given."""
        return f"{self.layer}:{self.unit} " + ("in the middle" if self.at is None else f"at {self.at[0]}, {self.at[1]}")

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The unit's value there."""
        maps = seen.maps(self.layer)
        _refuse_unit(self.layer, self.unit, maps)
        if maps.ndim == 2:
            if self.at is not None:
                raise SiteUnavailable(f"{self.layer!r} has no rows and columns, so at={self.at} means nothing there: leave it out")
            return maps[:, self.unit]
        rows, cols = maps.shape[2:]
        row, col = (rows // 2, cols // 2) if self.at is None else self.at
        if not (0 <= row < rows and 0 <= col < cols):
            raise InputError(f"at={self.at}: {self.layer!r} has {rows} rows and {cols} columns for these pictures, counted from 0")
        return maps[:, self.unit, row, col]


@dataclass(frozen=True, eq=False)
class Channel(Objective):
    """A unit's mean over all places.

    Arguments:
        layer: a site with places, or a module's path.
        unit: its number.

    >>> print(Channel("conv1", 3) + Channel("conv1", 5))
    conv1:3 + conv1:5
    """

    layer: str
    unit: int

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer."""
        return (self.layer,)

    @property
    def name(self) -> str:
        """Layer and number."""
        return f"{self.layer}:{self.unit}"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The mean of its map."""
        maps = _spatial(seen, self.layer, "Neuron(layer, unit)")
        _refuse_unit(self.layer, self.unit, maps)
        return maps[:, self.unit].mean((1, 2))


@dataclass(frozen=True, eq=False)
class Rectified(Objective):
    """What of a unit lies above zero, or below it, in the mean over all places: what a rectifier after it lets through.

    The mean of an oriented filter before its rectifier is nothing but brightness: bright and dark phases of a pattern cancel. This one sees them.

    Arguments:
        layer: a site with places, or a module's path.
        unit: its number.
        sign: 1 for what lies above zero, -1 for what lies below.

    >>> print(Rectified("conv1", 3), "and", Rectified("conv1", 3, sign=-1))
    conv1:3 above zero and conv1:3 below zero
    """

    layer: str
    unit: int
    sign: int = 1

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise InputError(f"sign={shown(self.sign)}: give 1 for what lies above zero, -1 for what lies below")

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer."""
        return (self.layer,)

    @property
    def name(self) -> str:
        """Layer and number, and the side of zero."""
        return f"{self.layer}:{self.unit} {'above' if self.sign > 0 else 'below'} zero"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The mean of the rectified map."""
        maps = _spatial(seen, self.layer, "Neuron(layer, unit)")
        _refuse_unit(self.layer, self.unit, maps)
        return torch.relu(self.sign * maps[:, self.unit]).mean((1, 2))


@dataclass(frozen=True, eq=False)
class Direction(Objective):
    """How far a layer's units lie along a direction.

    Arguments:
        layer: a site, or a module's path.
        vector: (unit): everywhere; or (unit row col): a pattern in the middle of the maps, of a layer with places.
        power: how often the cosine counts, too; 0 asks for size along the direction only, more for the direction itself.
        called: its name under a picture.
    """

    layer: str
    vector: Float[Tensor, "unit *place"]
    power: float = 0.0
    called: str = ""

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer."""
        return (self.layer,)

    @property
    def name(self) -> str:
        """As it is called, or where it is."""
        return self.called or f"a direction at {self.layer}"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The mean over places, with as many powers of the cosine."""
        vector = self.vector.to(seen.pictures)
        maps = seen.maps(self.layer)
        if vector.ndim not in (1, 3) or (vector.ndim == 3 and maps.ndim == 2):
            raise InputError(f"a direction is a vector (unit), or (unit row col) at a layer with places; got {tuple(vector.shape)} at {self.layer!r}")
        if len(vector) != maps.shape[1]:
            raise InputError(f"the direction has {len(vector)} entries and {self.layer!r} {maps.shape[1]} units: they must agree")
        if vector.ndim == 3:
            rows, cols = vector.shape[1:]
            top, left = (maps.shape[2] - rows) // 2, (maps.shape[3] - cols) // 2
            if top < 0 or left < 0:
                raise InputError(f"a pattern of {rows} x {cols} is larger than the maps of {self.layer!r}, {maps.shape[2]} x {maps.shape[3]}")
            maps, vector = maps[:, :, top : top + rows, left : left + cols].flatten(1), vector.flatten()
        dots = torch.tensordot(vector, maps, dims=([0], [1]))
        if self.power:
            lengths = maps.norm(dim=1) * vector.norm()
            dots = dots * (dots / lengths.clamp(min=1e-12)).clamp(min=LEAST_COSINE) ** self.power
        return dots.reshape(len(dots), -1).mean(1)


@dataclass(frozen=True, eq=False)
class Layer(Objective):
    """Whatever a layer sees: the mean square of its values.

    Arguments:
        layer: a site, or a module's path.
    """

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer."""
        return (self.layer,)

    @property
    def name(self) -> str:
        """The layer."""
        return f"all of {self.layer}"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The mean of the squares."""
        return seen.maps(self.layer).flatten(1).square().mean(1)


@dataclass(frozen=True, eq=False)
class Class(Objective):
    """A class's logit: before the softmax, where the other classes don't count.

    Arguments:
        number: of the class.
        called: its name under a picture.
    """

    number: int
    called: str = ""
    outputs = True

    @property
    def name(self) -> str:
        """As it is called, or its number."""
        return self.called or f"class {self.number}"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """The logit."""
        logits = seen.logits()
        if logits.ndim != 2:
            raise SiteUnavailable(f"the network's output has the shape {' x '.join(map(str, logits.shape))}, not one number for each class")
        if not 0 <= self.number < logits.shape[1]:
            raise InputError(f"there is no class {self.number}: the network has {logits.shape[1]}, counted from 0")
        return logits[:, self.number]


@dataclass(frozen=True, eq=False)
class Diversity(Objective):
    """That several pictures excite a layer each in another way; a term to add with a weight of its own.

    Arguments:
        layer: a site with places, or a module's path.
        n: how many pictures.
    """

    layer: str
    n: int = 4

    def __post_init__(self) -> None:
        if self.n < 2:
            raise InputError(f"n={self.n}: pictures differ where there are at least 2")

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer."""
        return (self.layer,)

    @property
    def pictures(self) -> int:
        """As it says."""
        return self.n

    @property
    def name(self) -> str:
        """Where it is."""
        return f"diversity at {self.layer}"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """Minus the mean cosine of its Gram matrix with the others'."""
        maps = _spatial(seen, self.layer, "Neuron(layer, unit)").flatten(2)
        gram = (maps @ maps.transpose(1, 2)).flatten(1)
        gram = gram / gram.norm(dim=1, keepdim=True).clamp(min=1e-12)
        alike = gram @ gram.T
        return -(alike.sum(1) - alike.diagonal()) / (len(alike) - 1)


@dataclass(frozen=True, eq=False)
class Alignment(Objective):
    """That neighbours in a row of pictures are alike; a term to add to objectives that go from one to another.

    Arguments:
        layer: where they are compared; the pixels if not given.
        decay: by how much less a pair counts with each step between the two.
        reach: how many steps apart pairs are compared.
    """

    layer: str = ""
    decay: float = 2.0
    reach: int = 4

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one layer, if it is one."""
        return (self.layer,) if self.layer else ()

    @property
    def name(self) -> str:
        """Where it is."""
        return f"alignment of {self.layer or 'pixels'}"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """Minus the mean square difference from its neighbours."""
        values = (seen.maps(self.layer) if self.layer else seen.pictures).flatten(1)
        n, total = len(values), torch.zeros(len(values), device=values.device)
        for apart in range(1, min(self.reach, n - 1) + 1):
            off = (values[apart:] - values[:-apart]).square().mean(1) / self.decay**apart
            total = total - torch.nn.functional.pad(off, (0, apart)) - torch.nn.functional.pad(off, (apart, 0))
        return total / 2


@dataclass(frozen=True, eq=False)
class Smoothness(Objective):
    """That neighbouring pixels are alike: minus the picture's total variation per pixel; a term to add with a weight of its own."""

    @property
    def name(self) -> str:
        """Its name."""
        return "smoothness"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """Minus the mean size of the steps down and across."""
        steps = [seen.pictures.diff(dim=dim).abs().flatten(1).mean(1) for dim in (2, 3)]
        return -(steps[0] + steps[1])


@dataclass(frozen=True, eq=False)
class Nearness(Objective):
    """That pixels lie near a constant: minus the mean of |pixel - constant|^power; a term to add with a weight of its own.

    Arguments:
        to: the constant, from 0 to 1.
        power: 1 lets few pixels leave it, 2 lets none leave it far.

    Raises:
        InputError: a constant that is no pixel, or another power.
    """

    to: float = 0.5
    power: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.to <= 1 or self.power not in (1, 2):
            raise InputError(f"{self!r}: give a constant from 0 to 1, and the power 1 or 2")

    @property
    def name(self) -> str:
        """Its constant, and how distance is measured."""
        return f"nearness to {self.to:g}" + (" (L1)" if self.power == 1 else "")

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """Minus the mean."""
        return -(seen.pictures - self.to).abs().pow(self.power).flatten(1).mean(1)


@dataclass(frozen=True, eq=False)
class Evenness(Objective):
    """That every pixel is like those around it: a pull towards the picture blurred by [1 2 1; 2 12 2; 1 2 1] / 24, which itself is held fixed.

    A plain gradient step on pixels goes towards the blurred picture, x <- (1 - k) x + k blur(x), so it is a blur at each step (lucid,
    `blur_input_each_step`); a term to add with a weight of its own.
    """

    @property
    def name(self) -> str:
        """Its name."""
        return "evenness"

    def value(self, seen: Seen) -> Float[Tensor, " picture"]:
        """Minus half the mean square of what the blur takes away."""
        pictures = seen.pictures
        kernel = pictures.new_tensor(BLUR)[None, None]
        flat = pictures.detach().flatten(0, 1)[:, None]
        whole = torch.nn.functional.conv2d(torch.ones_like(flat[:1]), kernel, padding=1)  # at the border fewer neighbours share
        blurred = (torch.nn.functional.conv2d(flat, kernel, padding=1) / whole).view_as(pictures)
        return -0.5 * (pictures - blurred).square().flatten(1).mean(1)


def spectrum(first: Objective, second: Objective, n: int = 5, alignment: float = 0.0) -> Objective:
    """A row of pictures from one objective to another: picture i climbs (1 - t) first + t second, t from 0 to 1.

    Arguments:
        first, second: the objectives at the ends.
        n: how many pictures.
        alignment: the weight of `Alignment()` of the pixels; with a `Shared` parameterisation the row stays alike also without.

    Raises:
        InputError: fewer than 2 pictures.

    >>> print(spectrum(Channel("conv", 3), Channel("conv", 4)))
    (1 to 0) conv:3 + (0 to 1) conv:4
    """
    if n < 2:
        raise InputError(f"n={n}: a row from one objective to another has at least 2 pictures")
    along = [i / (n - 1) for i in range(n)]
    row = [1 - t for t in along] * first + along * second
    return row + alignment * Alignment() if alignment else row


def _weights(weight: Any) -> tuple[float, ...]:
    given = weight.tolist() if isinstance(weight, Tensor) else weight
    numbers = list(given) if isinstance(given, list | tuple) else [given]
    if not numbers or not all(isinstance(one, int | float) and one == one and abs(one) != float("inf") for one in numbers):
        raise InputError(f"{shown(weight)} is no weight: multiply an objective by a number, or by one for each picture")
    return tuple(map(float, numbers))


def _spread(weights: tuple[float, ...], n: int) -> tuple[float, ...]:
    return weights * n if len(weights) == 1 else weights


def _refuse_unit(layer: str, unit: int, maps: Tensor) -> None:
    if not isinstance(unit, int) or not 0 <= unit < maps.shape[1]:
        raise InputError(f"there is no unit {shown(unit)} at {layer!r}: it has {maps.shape[1]}, counted from 0")


def _spatial(seen: Seen, layer: str, instead: str) -> Tensor:
    maps = seen.maps(layer)
    if maps.ndim == 2:
        raise SiteUnavailable(f"{layer!r} has no rows and columns to take a mean over: use {instead} for a unit of it")
    return maps
