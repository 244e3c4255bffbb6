"""What a picture must survive while it is sought: it is padded, shifted, scaled and turned a little, each picture by its own draw at every step.

Every one of them is an affine map from the places of the view to those of the picture, so a chain of them is one map, and the picture is sampled
once (bilinearly), whatever the chain. What lies outside the picture is grey. A shift is a crop of a larger canvas, so it moves in all directions
alike and brings no edge into view. Without such transforms ascent finds patterns that a shift by one pixel destroys (Olah, Mordvintsev and Schubert
2017; the chain by default is that of lucid).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from sonde.results import InputError, shown

Canvas = tuple[int, int]  # rows and columns of what is seen


@runtime_checkable
class Transform(Protocol):
    """A random affine map of pictures."""

    def draw(self, n: int, canvas: Canvas, generator: torch.Generator) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:
        """For each picture where the new view's places (col, row, 1), in pixels, lie on the old canvas; and the new canvas."""
        ...


@dataclass(frozen=True)
class Pad:
    """Grey around the picture.

    Arguments:
        pixels: on each side.
    """

    pixels: int = 12

    def draw(self, n: int, canvas: Canvas, generator: torch.Generator) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:
        """Always the same map."""
        return _shifted(torch.full((n, 2), float(-self.pixels))), (canvas[0] + 2 * self.pixels, canvas[1] + 2 * self.pixels)


@dataclass(frozen=True)
class Jitter:
    """A crop at a random place, by whole pixels.

    Arguments:
        pixels: how much smaller the view is.
    """

    pixels: int = 8

    def draw(self, n: int, canvas: Canvas, generator: torch.Generator) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:
        """A shift of 0 to `pixels` each way."""
        moved = torch.randint(self.pixels + 1, (n, 2), generator=generator)
        return _shifted(moved.float()), _left(self, canvas, self.pixels, self.pixels)


@dataclass(frozen=True)
class Crop:
    """A view of a given size at a random place.

    Arguments:
        size: rows and columns, or one number for both.
    """

    size: int | tuple[int, int]

    def draw(self, n: int, canvas: Canvas, generator: torch.Generator) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:
        """A shift by whole pixels that keeps the view on the canvas."""
        rows, cols = (self.size, self.size) if isinstance(self.size, int) else self.size
        left = _left(self, canvas, canvas[0] - rows, canvas[1] - cols)
        if rows > canvas[0] or cols > canvas[1]:
            raise InputError(f"{self}: the canvas has {canvas[0]} x {canvas[1]} pixels there; crop less, or pad before")
        moved = [torch.randint(room + 1, (n,), generator=generator) for room in (canvas[1] - cols, canvas[0] - rows)]
        return _shifted(torch.stack(moved, 1).float()), left


@dataclass(frozen=True)
class Scale:
    """Larger or smaller about the middle.

    Arguments:
        factors: one is drawn.
    """

    factors: tuple[float, ...] = tuple(1 + (i - 5) / 50 for i in range(11))

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        if not self.factors or min(self.factors) <= 0:
            raise InputError(f"{self}: factors are above 0")

    def draw(self, n: int, canvas: Canvas, generator: torch.Generator) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:
        """A factor for each picture."""
        factors = torch.tensor(self.factors)[torch.randint(len(self.factors), (n,), generator=generator)]
        return _about_middle(torch.eye(2) / factors[:, None, None], canvas), canvas


@dataclass(frozen=True)
class Rotate:
    """Turned about the middle.

    Arguments:
        degrees: one is drawn.
    """

    degrees: tuple[float, ...] = (*map(float, range(-10, 11)), *(0.0,) * 5)

    def __post_init__(self) -> None:
        object.__setattr__(self, "degrees", tuple(self.degrees))
        if not self.degrees:
            raise InputError("Rotate needs at least one angle, in degrees")

    def draw(self, n: int, canvas: Canvas, generator: torch.Generator) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:
        """An angle for each picture."""
        angles = torch.tensor(self.degrees)[torch.randint(len(self.degrees), (n,), generator=generator)] * math.pi / 180
        cos, sin = angles.cos(), angles.sin()
        return _about_middle(torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2), canvas), canvas


FILL = 0.5  # what lies outside of a picture


def standard(size: int | tuple[int, int] = 128) -> tuple[Transform, ...]:
    """Padding, jitter, scale, turns, jitter: lucid's chain, with smaller shifts for pictures of less than 128 pixels.

    Arguments:
        size: rows and columns of the pictures, or one number for both.

    >>> standard(32)[:2]
    (Pad(pixels=3), Jitter(pixels=2))
    """
    share = min(1.0, min((size, size) if isinstance(size, int) else size) / 128)
    return (Pad(round(12 * share)), Jitter(round(8 * share)), Scale(), Rotate(), Jitter(round(4 * share)))


def chained(
    transforms: Sequence[Transform], n: int, canvas: Canvas, generator: torch.Generator
) -> tuple[Float[Tensor, "picture 3 3"], Canvas]:  # fmt: skip
    """Draw a chain of transforms: one affine map for each picture.

    Arguments:
        transforms: in turn.
        n: how many pictures.
        canvas: their rows and columns.
        generator: of the draws.

    Returns:
        Where the view's places (col, row, 1), in pixels, lie on the picture; and the view's rows and columns.

    Raises:
        InputError: what is no transform, or a view without pixels.
    """
    chain = torch.eye(3).expand(n, 3, 3)
    for transform in transforms:
        if not isinstance(transform, Transform):
            raise InputError(f"{shown(transform)} is no transform: use Pad, Jitter, Crop, Scale or Rotate of sonde.vision")
        step, canvas = transform.draw(n, canvas, generator)
        chain = chain @ step
    return chain, canvas


def sampled(
    pictures: Float[Tensor, "picture channel row col"], chain: Float[Tensor, "picture 3 3"], canvas: Canvas, view: Canvas | None = None
) -> Float[Tensor, "picture channel height width"]:  # fmt: skip
    """Pictures as they are seen through affine maps; through the identity they stay as they are, to the bit.

    Arguments:
        pictures: from 0 to 1.
        chain, canvas: as `chained` gives them.
        view: the size that the network takes, where it takes one only: the canvas is stretched to it.

    >>> maps = chained(standard(), 2, (64, 64), torch.Generator().manual_seed(0))
    >>> sampled(torch.rand(2, 3, 64, 64), *maps).shape
    torch.Size([2, 3, 76, 76])
    """
    rows, cols = pictures.shape[2:]
    view = canvas if view is None else view
    if canvas == (rows, cols) and torch.equal(chain, torch.eye(3).expand_as(chain)):
        return pictures if view == canvas else interpolate(pictures, size=view, mode="bilinear", align_corners=False, antialias=True)
    # centres of pixels: place i of the view is at (i + 1/2) canvas / view - 1/2 of the canvas
    across, down = ((torch.arange(side) + 0.5) * whole / side - 0.5 for side, whole in ((view[1], canvas[1]), (view[0], canvas[0])))
    places = torch.stack([*torch.meshgrid(across, down, indexing="xy"), torch.ones(view[0], view[1])], -1)
    on_picture = torch.einsum("nij,rcj->nrci", chain[:, :2], places)
    # grid_sample counts from -1 to 1 between the outer edges of the outermost pixels
    grid = (2 * on_picture + 1) / torch.tensor([cols, rows]) - 1
    return grid_sample(pictures - FILL, grid.to(pictures), mode="bilinear", padding_mode="zeros", align_corners=False) + FILL


def _shifted(moved: Float[Tensor, "picture 2"]) -> Float[Tensor, "picture 3 3"]:
    """The map that moves by so many columns and rows."""
    chain = torch.eye(3).repeat(len(moved), 1, 1)
    chain[:, :2, 2] = moved
    return chain


def _about_middle(turn: Float[Tensor, "picture 2 2"], canvas: Canvas) -> Float[Tensor, "picture 3 3"]:
    """The map that turns or stretches about the middle of the canvas."""
    middle = torch.tensor([(canvas[1] - 1) / 2, (canvas[0] - 1) / 2])
    chain = torch.eye(3).repeat(len(turn), 1, 1)
    chain[:, :2, :2] = turn
    chain[:, :2, 2] = middle - turn @ middle
    return chain


def _left(transform: object, canvas: Canvas, rows: int, cols: int) -> Canvas:
    """The canvas without so many rows and columns."""
    if canvas[0] <= rows or canvas[1] <= cols:
        raise InputError(f"{transform}: nothing is left of a canvas of {canvas[0]} x {canvas[1]} pixels; take less away, or make larger pictures")
    return canvas[0] - rows, canvas[1] - cols
