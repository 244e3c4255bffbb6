"""Pictures drawn by formula, of which every property is known: curves, lines, gratings, colours; or one's own.

A curve is an arc through the picture's middle (Cammarata et al. 2020, "Curve Detectors"): of the circle of radius r around c = r (cos a, -sin a),
seen from the middle, the points at a distance of at most half a width, within a span around the middle. A line is a curve without bend. Edges are
smoothed by 16 points in each pixel. A stimulus stands on grey, 0.5.
"""

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, shown

GREY, POINTS = 0.5, 4  # points of each side of a pixel
TURNS = tuple(range(0, 360, 5))
HALF_TURNS = tuple(range(0, 180, 5))
PHASES = 4


@dataclass(frozen=True, eq=False)
class Stimuli:
    """Pictures over a grid of two properties.

    Arguments:
        name: what they are ("curves").
        pictures: (at across repeat channel row col), from 0 to 1; repeats differ in what shall
            not count (a grating's phase), and a unit's largest answer of them counts.
        axis, at: the property that is swept, such as the angle in degrees, and its values.
        across, across_at: the other property, such as the radius in pixels, and its values; infinity is a radius, too.
        period: after which the first property comes round, such as 360 degrees; 0 where it does not.

    >>> torch.manual_seed(0) and Stimuli("dots", torch.rand(3, 1, 1, 1, 8, 8), "size", (1, 2, 3), "colour", (0,)).pictures.shape[0]
    3
    """

    name: str
    pictures: Float[Tensor, "..."]
    axis: str
    at: tuple[float, ...]
    across: str
    across_at: tuple[float, ...]
    period: float = 0.0

    def __post_init__(self) -> None:
        for field in ("at", "across_at"):
            object.__setattr__(self, field, tuple(float(one) for one in getattr(self, field)))
        got = tuple(self.pictures.shape)
        if self.pictures.ndim != 6 or got[:2] != (len(self.at), len(self.across_at)) or 0 in got:
            raise InputError(
                f"the pictures have the shape {' x '.join(map(str, got))}: give (at across repeat channel row col), here "
                f"{len(self.at)} x {len(self.across_at)} x ..."
            )
        if not bool(self.pictures.isfinite().all()) or float(self.pictures.min()) < 0 or float(self.pictures.max()) > 1:
            raise InputError(
                f"pixels lie from 0 to 1, and these from {float(self.pictures.min()):.3g} to {float(self.pictures.max()):.3g}: scale them"
            )

    def inverted(self) -> "Stimuli":
        """The same pictures with bright and dark exchanged.

        >>> float(gratings(8, channels=1, contrast=0.0).inverted().pictures.mean())
        0.5
        """
        return replace(self, name=f"inverted {self.name}", pictures=1 - self.pictures)


def curves(
    size: int, radii: Sequence[float] | None = None, angles: Sequence[float] = TURNS, *, width: float | None = None, span: float = math.inf,
    ink: float = 1.0, channels: int = 3,
) -> Stimuli:  # fmt: skip
    """Arcs through the middle.

    Arguments:
        size: rows and columns.
        radii: in pixels; eight by default, from an eighth of the size to twice it, evenly on a log axis.
        angles: in degrees, of the direction in which the circle's centre lies, from the right against the clock.
        width: of the stroke in pixels; a sixteenth of the size by default.
        span: the largest distance of its points from the middle, in pixels.
        ink: the stroke's brightness, on grey.
        channels: of the pictures.

    Raises:
        InputError: no such size, radius or brightness.

    >>> curves(16, [4.0], [0, 90]).pictures.shape
    torch.Size([2, 1, 1, 3, 16, 16])
    """
    _sensible(size, ink, channels)
    if radii is None:
        radii = [size / 8 * 16 ** (i / 7) for i in range(8)]
    if not radii or min(radii) <= 0 or not len(angles):
        raise InputError(f"radii={shown(radii)}: give radii above 0, and some angles")
    stroke = size / 16 if width is None else width

    def one(angle: float, radius: float) -> Tensor:
        right, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))

        def drawn(x: Tensor, y: Tensor) -> Tensor:
            bent = torch.hypot(x - radius * right, y - radius * up) - radius if math.isfinite(radius) else x * right + y * up
            return (bent.abs() <= stroke / 2) & (torch.hypot(x, y) <= span)

        return _inked(size, drawn, ink)

    return _grid("curves", one, "angle in degrees", angles, "radius in pixels", radii, channels, 360.0)


def bars(
    size: int, widths: Sequence[float] | None = None, angles: Sequence[float] = HALF_TURNS, *, ink: float = 1.0, channels: int = 3
) -> Stimuli:  # fmt: skip
    """Straight lines through the middle.

    Arguments:
        size: rows and columns.
        widths: in pixels; by default a thirty-second, a sixteenth and an eighth of the size.
        angles: in degrees, of the direction across the line, from the right against the clock.
        ink: the line's brightness, on grey.
        channels: of the pictures.

    >>> bars(16, [2.0], [0]).pictures[0, 0, 0, 0, 3, 6:10].tolist()
    [0.5, 1.0, 1.0, 0.5]
    """
    _sensible(size, ink, channels)
    widths = [size / 32, size / 16, size / 8] if widths is None else widths
    if not len(widths) or min(widths) <= 0 or not len(angles):
        raise InputError(f"widths={shown(widths)}: give widths above 0, and some angles")

    def one(angle: float, width: float) -> Tensor:
        right, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        return _inked(size, lambda x, y: (x * right + y * up).abs() <= width / 2, ink)

    return _grid("bars", one, "angle in degrees", angles, "width in pixels", widths, channels, 180.0)


def gratings(
    size: int, frequencies: Sequence[float] | None = None, angles: Sequence[float] = HALF_TURNS, *, contrast: float = 1.0, channels: int = 3
) -> Stimuli:  # fmt: skip
    """Waves over the whole picture, each in four phases.

    Arguments:
        size: rows and columns.
        frequencies: in cycles per pixel; by default five from two cycles per picture to a quarter cycle per pixel, evenly on a log axis.
        angles: in degrees, of the direction in which the waves follow one another, from the right against the clock.
        contrast: from 0 to 1.
        channels: of the pictures.

    >>> gratings(16, [1 / 8], [0, 90]).pictures.shape
    torch.Size([2, 1, 4, 3, 16, 16])
    """
    _sensible(size, contrast, channels)
    if frequencies is None:
        frequencies = [2 / size * (size / 8) ** (i / 4) for i in range(5)]
    if not len(frequencies) or min(frequencies) <= 0 or max(frequencies) > 0.5 or not len(angles):
        raise InputError(f"frequencies={shown(frequencies)}: give cycles per pixel above 0, at most a half, and some angles")
    middle = (size - 1) / 2
    y, x = torch.meshgrid(middle - torch.arange(size), torch.arange(size) - middle, indexing="ij")

    def one(angle: float, frequency: float) -> Tensor:
        along = x * math.cos(math.radians(angle)) + y * math.sin(math.radians(angle))
        phases = [along * frequency * 2 * math.pi + phase * 2 * math.pi / PHASES for phase in range(PHASES)]
        return GREY + GREY * contrast * torch.stack([phase.cos() for phase in phases])

    return _grid("gratings", one, "angle in degrees", angles, "cycles per pixel", frequencies, channels, 180.0)


def colours(size: int, saturations: Sequence[float] = (0.25, 0.5, 1.0), hues: Sequence[float] = tuple(range(0, 360, 15))) -> Stimuli:
    """Pictures of one colour each, of full brightness.

    Arguments:
        size: rows and columns.
        saturations: from 0, white, to 1.
        hues: in degrees; 0 is red, 120 green, 240 blue.

    >>> colours(4, [1.0], [120]).pictures[0, 0, 0, :, 0, 0].tolist()
    [0.0, 1.0, 0.0]
    """
    _sensible(size, 1.0, 3)
    if not saturations or min(saturations) < 0 or max(saturations) > 1:
        raise InputError(f"saturations={shown(saturations)}: give numbers from 0 to 1")
    rows = [[colorsys.hsv_to_rgb(hue % 360 / 360, saturation, 1.0) for saturation in saturations] for hue in hues]
    pictures = torch.tensor(rows)[:, :, None, :, None, None].expand(-1, -1, 1, -1, size, size).contiguous()
    return Stimuli("colours", pictures, "hue in degrees", tuple(hues), "saturation", tuple(saturations), 360.0)


def _grid(
    name: str, one: Callable[[float, float], Tensor], axis: str, at: Sequence[float], across: str, across_at: Sequence[float], channels: int,
    period: float,
) -> Stimuli:  # fmt: skip
    drawn = torch.stack([torch.stack([torch.atleast_3d(one(a, b).movedim((-2, -1), (0, 1))).movedim(2, 0) for b in across_at]) for a in at])
    pictures = drawn[:, :, :, None].expand(-1, -1, -1, channels, -1, -1).contiguous().clamp(0, 1)
    return Stimuli(name, pictures, axis, tuple(at), across, tuple(across_at), period)


def _inked(size: int, drawn: Callable[[Tensor, Tensor], Tensor], ink: float) -> Float[Tensor, "row col"]:
    """What a shape covers of each pixel, in ink on grey; x to the right and y upwards, from the middle."""
    fine = (torch.arange(size * POINTS) + 0.5) / POINTS - size / 2
    y, x = torch.meshgrid(-fine, fine, indexing="ij")
    share = drawn(x, y).float().unflatten(0, (size, POINTS)).unflatten(2, (size, POINTS)).mean((1, 3))
    return GREY + (ink - GREY) * share


def _sensible(size: int, ink: float, channels: int) -> None:
    if not isinstance(size, int) or size < 1 or channels not in (1, 3) or not 0 <= ink <= 1:
        raise InputError(f"size={shown(size)}, channels={shown(channels)}, ink or contrast={shown(ink)}: 1 or more pixels, 1 or 3 channels, 0 to 1")
