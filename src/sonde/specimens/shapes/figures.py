"""Pictures of one figure on a plain ground, 32 x 32 pixels, each with all that decides it: figure, facing, turn, size, place and two hues.

A figure is a union of simple forms, each given by its distance d in pixels to the form's edge, negative inside; a pixel shows
min(1, max(0, 1/2 - d)) of the figure. A figure that faces left is the mirror image of the one that faces right, so the mirror image of a
picture is a picture of the same world: of the same figure, which faces the other way, turned the other way, on the other side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.results import InputError

SIZE = 32
"""Rows and columns of a picture."""

CLASSES = ("head", "fish", "arrow", "flag", "ring", "cross")
"""The figures; the last two look the same whichever way they face, but for their turn."""

FACING = ("left", "right")
"""The ways to face."""

TURN = 15.0  # degrees by which a figure is turned, either way
SCALE = (8.5, 11.5)  # pixels of a figure's unit, which is half its length
SHIFT = 3.0  # pixels by which a figure lies off the middle, in rows and in columns
APART = 90.0  # degrees at least between the hues of figure and ground
NOISE = 0.03  # deviation of the pixels
_FIGURE, _GROUND = (0.9, 0.9), (0.7, 0.8)  # saturation and value: alike enough that the hue is needed
_HELD_OUT = 2**40  # seed of the pictures that are measured on; training counts up from 0


@dataclass(frozen=True, eq=False)
class Shapes:
    """Pictures with the factors behind them."""

    pictures: Float[Tensor, "picture 3 32 32"]
    """From 0 to 1."""
    shape: Int[Tensor, " picture"]
    """The figure, a place in `CLASSES`: what the network is asked for."""
    facing: Int[Tensor, " picture"]
    """0 for left, 1 for right."""
    turn: Float[Tensor, " picture"]
    """Degrees, clockwise as the picture is seen."""
    scale: Float[Tensor, " picture"]
    """Pixels of half the figure's length."""
    place: Float[Tensor, "picture 2"]
    """Of the figure's middle, in pixels down and to the right of the picture's."""
    hue: Float[Tensor, " picture"]
    """Of the figure, in degrees: 0 red, 120 green, 240 blue."""
    ground: Float[Tensor, " picture"]
    """Hue of the ground."""

    def __len__(self) -> int:
        return len(self.shape)

    def only(self, which: Tensor) -> "Shapes":
        """Some of them.

        Arguments:
            which: their numbers, or whether each is wanted.
        """
        return Shapes(**{one.name: getattr(self, one.name)[which] for one in fields(self)})

    @property
    def mirrored(self) -> "Shapes":
        """The mirror images, left for right, with the factors that they show."""
        across = torch.tensor([1.0, -1.0])
        return replace(self, pictures=self.pictures.flip(-1), facing=1 - self.facing, turn=-self.turn, place=self.place * across)


def held_out() -> Shapes:
    """The 1,000 pictures on which the card is measured.

    >>> shapes = held_out()
    >>> shapes.pictures.shape, [CLASSES[i] for i in shapes.shape[:3]]
    (torch.Size([1000, 3, 32, 32]), ['arrow', 'flag', 'cross'])
    """
    return pictures(1000, _HELD_OUT)


def pictures(n: int, seed: int) -> Shapes:
    """Draw pictures at random: every factor independent of the others, but for the hues, which lie apart.

    Arguments:
        n: how many.
        seed: the same seed gives the same pictures.

    Raises:
        InputError: fewer than one.

    >>> pictures(4, seed=0).pictures.shape
    torch.Size([4, 3, 32, 32])
    """
    if n < 1:
        raise InputError(f"n={n}: ask for 1 or more pictures")
    generator = torch.Generator().manual_seed(seed)
    shape = torch.randint(len(CLASSES), (n,), generator=generator)
    facing = torch.randint(2, (n,), generator=generator)
    turn, size, down, right, hue, apart = torch.rand(6, n, generator=generator)
    hue, place = 360 * hue, SHIFT * (2 * torch.stack([down, right], 1) - 1)
    ground = (hue + APART + (360 - 2 * APART) * apart) % 360
    turn, scale = TURN * (2 * turn - 1), SCALE[0] + (SCALE[1] - SCALE[0]) * size
    clean = render(shape, facing, turn, scale, place, hue, ground)
    noisy = (clean + NOISE * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    return Shapes(noisy, shape, facing, turn, scale, place, hue, ground)


def render(
    shape: Int[Tensor, " picture"], facing: Int[Tensor, " picture"], turn: Float[Tensor, " picture"], scale: Float[Tensor, " picture"],
    place: Float[Tensor, "picture 2"], hue: Float[Tensor, " picture"], ground: Float[Tensor, " picture"],
    figures: "Sequence[Callable[[Tensor, Tensor], Tensor]] | None" = None,
) -> Float[Tensor, "picture 3 32 32"]:  # fmt: skip
    """Paint figures, without noise.

    Arguments:
        shape, facing, turn, scale, place, hue, ground: as in `Shapes`.
        figures: what `shape` counts: each gives the distance to a figure's edge, negative inside, from x ahead and y down, whose unit is half the
            figure's length; those of `CLASSES` by default.

    Returns:
        The pictures, from 0 to 1.
    """
    pixel = torch.arange(SIZE) - (SIZE - 1) / 2
    row, col = pixel[:, None] - place[:, 0, None, None], pixel[None, :] - place[:, 1, None, None]
    angle = turn.deg2rad()[:, None, None]
    ahead, below = col * angle.cos() + row * angle.sin(), row * angle.cos() - col * angle.sin()  # turned back by the angle
    ahead = ahead * (2 * facing - 1)[:, None, None]
    unit = scale[:, None, None]
    distance = torch.empty(len(shape), SIZE, SIZE)
    for number, figure in enumerate(figures or FIGURES):
        own = shape == number
        distance[own] = figure(ahead[own] / unit[own], below[own] / unit[own]) * unit[own]
    share = (0.5 - distance).clamp(0, 1)[:, None]
    return share * _paint(hue, *_FIGURE) + (1 - share) * _paint(ground, *_GROUND)


def _paint(hue: Float[Tensor, " picture"], saturation: float, value: float) -> Float[Tensor, "picture 3 1 1"]:
    """Red, green and blue of a hue (A. R. Smith 1978, "Color Gamut Transform Pairs")."""
    sixth = (torch.tensor([5.0, 3.0, 1.0]) + hue[:, None] / 60) % 6
    return (value - value * saturation * torch.minimum(sixth, 4 - sixth).clamp(0, 1))[:, :, None, None]


# the figures, as they face right: x runs ahead and y down, both from -1 to 1


def _head(x: Tensor, y: Tensor) -> Tensor:
    """A skull, a snout ahead of it and an ear at the back."""
    return _union(_disc(x, y, -0.3, 0.1, 0.6), _box(x, y, 0.5, 0.22, 0.45, 0.22), _box(x, y, -0.6, -0.6, 0.14, 0.35))


def _fish(x: Tensor, y: Tensor) -> Tensor:
    """A body like an egg, and a tail behind."""
    body = 0.45 * (torch.hypot((x - 0.22) / 0.75, y / 0.45) - 1)
    return _union(body, _wedge(-x, y, 0.95, 0.25, 0.6))


def _arrow(x: Tensor, y: Tensor) -> Tensor:
    """A shaft, and a tip ahead."""
    return _union(_box(x, y, -0.35, 0.0, 0.6, 0.16), _wedge(-x, y, -0.1, -0.95, 0.6))


def _flag(x: Tensor, y: Tensor) -> Tensor:
    """A pole, and a cloth that flies ahead of its upper half."""
    return _union(_box(x, y, -0.6, 0.0, 0.12, 0.95), _box(x, y, 0.1, -0.5, 0.65, 0.4))


def _ring(x: Tensor, y: Tensor) -> Tensor:
    """A circle."""
    return (torch.hypot(x, y) - 0.65).abs() - 0.18


def _cross(x: Tensor, y: Tensor) -> Tensor:
    """Two bars."""
    return _union(_box(x, y, 0.0, 0.0, 0.85, 0.18), _box(x, y, 0.0, 0.0, 0.18, 0.85))


def _union(*forms: Tensor) -> Tensor:
    return torch.stack(forms).amin(0)


def _disc(x: Tensor, y: Tensor, x0: float, y0: float, radius: float) -> Tensor:
    return torch.hypot(x - x0, y - y0) - radius


def _box(x: Tensor, y: Tensor, x0: float, y0: float, half_x: float, half_y: float) -> Tensor:
    return torch.maximum((x - x0).abs() - half_x, (y - y0).abs() - half_y)


def _wedge(x: Tensor, y: Tensor, base: float, apex: float, half: float) -> Tensor:
    """A triangle that points to where x is smaller: as high as two halves at its base, a point at its apex."""
    slope = half / (base - apex)
    return torch.maximum(x - base, (y.abs() - slope * (x - apex)) / (1 + slope**2) ** 0.5)


FIGURES = (_head, _fish, _arrow, _flag, _ring, _cross)
"""The figures of `CLASSES`, each from x ahead and y down to the distance from its edge."""
