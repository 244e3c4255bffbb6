"""What a picture is made of while it is sought: pixels, a spectrum, or a network of coordinates; then colours, then the range from 0 to 1.

    pixels     p itself
    spectrum   irfft2( p_f / max(|f|, 1 / max(rows, cols))^decay ) / 4          f in cycles per pixel
    colours    sigmoid( C p )         C the square root of natural pictures' covariance of colours, by its largest column

Steps of one length in a spectrum so scaled, and in colours so mixed, are of one length in units of natural pictures: gradient ascent then finds
structure where it would find high frequencies in plain pixels (Olah, Mordvintsev and Schubert 2017, "Feature Visualization"; matrix and constants
are those of lucid). A parameterisation is a value: it draws its parameters and makes pictures of them, and knows no network.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, shown

Size = int | tuple[int, int]
Colours = Literal["decorrelated", "plain", "grey"]

# the square root of the covariance of colours in natural pictures, columns by size
MIXING = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
COORDINATES = math.sqrt(3)  # a uniform draw between plus and minus this has deviation 1


@runtime_checkable
class Parameterisation(Protocol):
    """How pictures are represented while they are sought."""

    @property
    def size(self) -> Size:
        """Rows and columns, or one number for both."""
        ...

    @property
    def channels(self) -> int:
        """Of the pictures."""
        ...

    @property
    def colours(self) -> Colours:
        """How the channels hang together."""
        ...

    def start(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Parameters of `n` pictures, the picture first in each."""
        ...

    def plane(self, parameters: list[Tensor]) -> Float[Tensor, "picture channel row col"]:
        """The pictures before colours and range."""
        ...


def picture(of: Parameterisation, parameters: list[Tensor]) -> Float[Tensor, "picture channel row col"]:
    """The pictures that some parameters stand for, from 0 to 1.

    Arguments:
        of: the parameterisation.
        parameters: as its `start` gives them.
    """
    plane = of.plane(parameters)
    if of.colours == "decorrelated":
        mixing = torch.tensor(MIXING, dtype=plane.dtype, device=plane.device)
        plane = torch.einsum("cd,ndhw->nchw", mixing / mixing.norm(dim=0).max(), plane)
    pictures = torch.sigmoid(plane)
    return pictures.expand(-1, of.channels, -1, -1) if of.colours == "grey" else pictures


@dataclass(frozen=True)
class Pixels:
    """Every pixel for itself.

    Arguments:
        size: rows and columns, or one number for both.
        channels: as the network takes them.
        colours: "decorrelated" (three channels), "plain", or "grey": one value for all channels.
        sd: deviation of the first draw.

    >>> of = Pixels(8)
    >>> picture(of, of.start(2, torch.Generator().manual_seed(0))).shape
    torch.Size([2, 3, 8, 8])
    """

    size: Size = 128
    channels: int = 3
    colours: Colours = "decorrelated"
    sd: float = 0.01

    def __post_init__(self) -> None:
        _checked(self)

    def start(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Normal draws of deviation `sd`."""
        return [self.sd * torch.randn(n, planes(self), *sides(self.size), generator=generator)]

    def plane(self, parameters: list[Tensor]) -> Float[Tensor, "picture channel row col"]:
        """The parameters themselves."""
        return parameters[0]


@dataclass(frozen=True)
class Fourier:
    """A spectrum whose amplitudes fall with frequency, as those of natural pictures do.

    Arguments:
        size, channels, colours, sd: as in `Pixels`.
        decay: the power of frequency with which amplitudes fall.

    >>> of = Fourier((8, 11), colours="grey")
    >>> picture(of, of.start(2, torch.Generator().manual_seed(0))).shape
    torch.Size([2, 3, 8, 11])
    """

    size: Size = 128
    channels: int = 3
    colours: Colours = "decorrelated"
    sd: float = 0.01
    decay: float = 1.0

    def __post_init__(self) -> None:
        _checked(self)

    def start(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Normal draws of deviation `sd`, real and imaginary parts along the last axis."""
        rows, cols = sides(self.size)
        return [self.sd * torch.randn(n, planes(self), rows, (cols + cols % 2) // 2 + 1, 2, generator=generator)]

    def plane(self, parameters: list[Tensor]) -> Float[Tensor, "picture channel row col"]:
        """The inverse transform of the scaled spectrum; one column more where they are odd, cut off again."""
        rows, cols = sides(self.size)
        (spectrum,) = parameters
        scale = _amplitudes(rows, cols, self.decay).to(spectrum)
        scaled = torch.view_as_complex(spectrum) * scale
        return torch.fft.irfft2(scaled, s=(rows, cols + cols % 2), norm="ortho")[..., :cols] / 4


@dataclass(frozen=True)
class Shared:
    """Pictures of their own, plus coarse ones that all pictures of a group have in common: so that a row of pictures differs where it must only.

    The group is one objective's pictures (Mordvintsev, Pezzotti, Schubert and Olah 2018, "Differentiable Image Parameterizations").

    Arguments:
        own: how each picture's own part is made.
        coarse: by how much the shared parts are coarser; each adds one.
    """

    own: Pixels | Fourier = field(default_factory=Fourier)
    coarse: tuple[int, ...] = (2, 4, 8)

    def __post_init__(self) -> None:
        object.__setattr__(self, "coarse", tuple(self.coarse))
        if not self.coarse or any(factor < 1 or factor > min(sides(self.size)) for factor in self.coarse):
            raise InputError(f"coarse={shown(self.coarse)}: give by how much shared parts are coarser, from 1 to {min(sides(self.size))}")

    @property
    def size(self) -> Size:
        """Of its own part."""
        return self.own.size

    @property
    def channels(self) -> int:
        """Of its own part."""
        return self.own.channels

    @property
    def colours(self) -> Colours:
        """Of its own part."""
        return self.own.colours

    def start(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Its own part's parameters, then one coarse picture of each factor, the same for all."""
        rows, cols = sides(self.size)
        coarse = [torch.randn(1, planes(self), max(1, rows // k), max(1, cols // k), generator=generator) for k in self.coarse]
        return [*self.own.start(n, generator), *(self.own.sd * part for part in coarse)]

    def plane(self, parameters: list[Tensor]) -> Float[Tensor, "picture channel row col"]:
        """The sum of all parts."""
        n_own = len(parameters) - len(self.coarse)
        summed = self.own.plane(parameters[:n_own])
        for part in parameters[n_own:]:
            summed = summed + torch.nn.functional.interpolate(part, size=sides(self.size), mode="bilinear", align_corners=False)
        return summed


@dataclass(frozen=True)
class CPPN:
    """A small network from coordinates to colours, one for each picture: smooth at any size (Stanley 2007; the form is lucid's).

    Its pictures can be made at another size than they were sought at. It wants a lower rate than pixels: 0.005.

    Arguments:
        size, channels: as in `Pixels`; the network makes the colours itself.
        layers: how many layers of 1 x 1 convolutions.
        width: channels inside.
        colours: "plain" or "grey".
    """

    size: Size = 128
    channels: int = 3
    layers: int = 8
    width: int = 24
    colours: Colours = "plain"

    def __post_init__(self) -> None:
        _checked(self)

    def start(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Each layer's weights and biases; the last one's weights are zero, so that every picture begins grey."""
        parameters, entering = [], 2
        for layer in range(self.layers):
            last = layer == self.layers - 1
            leaving = planes(self) if last else self.width
            weight = torch.randn(n, leaving, entering, generator=generator) / math.sqrt(entering)
            parameters += [torch.zeros_like(weight) if last else weight, torch.zeros(n, leaving)]
            entering = 2 * leaving
        return parameters

    def plane(self, parameters: list[Tensor]) -> Float[Tensor, "picture channel row col"]:
        """The networks over the grid of coordinates."""
        rows, cols = sides(self.size)
        across = [torch.linspace(-COORDINATES, COORDINATES, side, device=parameters[0].device) for side in (rows, cols)]
        values = torch.stack(torch.meshgrid(*across, indexing="ij")).flatten(1).expand(len(parameters[0]), -1, -1)
        for layer in range(self.layers):
            values = torch.baddbmm(parameters[2 * layer + 1][..., None], parameters[2 * layer], values)
            if layer < self.layers - 1:
                bent = torch.atan(values)
                values = torch.cat([bent / 0.67, bent.square() / 0.6], 1)
        return values.unflatten(-1, (rows, cols))


def sides(size: Size) -> tuple[int, int]:
    """Rows and columns.

    Arguments:
        size: both, or one number for both.
    """
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def planes(of: Parameterisation) -> int:
    """How many channels the parameters have.

    Arguments:
        of: the parameterisation.
    """
    return 1 if of.colours == "grey" else of.channels


def _amplitudes(rows: int, cols: int, decay: float) -> Float[Tensor, "row half"]:
    """What each frequency's parameter is multiplied by."""
    down = torch.fft.fftfreq(rows)[:, None]
    across = torch.fft.rfftfreq(cols + cols % 2)[None]
    radius = (down.square() + across.square()).sqrt().clamp(min=1 / max(rows, cols))
    return radius**-decay


def _checked(of: Parameterisation) -> None:
    size = of.size if isinstance(of.size, tuple | list) else (of.size,)
    if len(size) not in (1, 2) or not all(isinstance(side, int) and side > 0 for side in size):
        raise InputError(f"size={shown(of.size)}: give rows and columns, or one number for both")
    if isinstance(of.size, list):
        object.__setattr__(of, "size", tuple(of.size))
    if of.colours not in ("decorrelated", "plain", "grey"):
        raise InputError(f"colours={shown(of.colours)}: use 'decorrelated', 'plain' or 'grey'")
    if of.colours == "decorrelated" and of.channels != 3:
        raise InputError(f"colours='decorrelated' mixes red, green and blue, and here are {of.channels} channels: use colours='plain'")
    if of.channels < 1:
        raise InputError(f"channels={shown(of.channels)}: a picture has at least one")
