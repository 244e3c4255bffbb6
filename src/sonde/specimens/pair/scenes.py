"""Pictures of one or two coloured shapes, 24 x 24 pixels, each with its caption and the truth behind both."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

SIZE = 24
"""Rows and columns of a picture."""

RADIUS = {"small": 2.5, "large": 5.0}
"""Half of a shape's width in pixels, by size."""

COLORS = {"red": (1.0, 0.1, 0.1), "green": (0.1, 0.9, 0.1), "blue": (0.2, 0.3, 1.0), "yellow": (0.9, 0.9, 0.1)}
"""Red, green and blue of each colour, from 0 to 1; the ground is black."""

SHAPES = ("circle", "square", "triangle")
"""The shapes."""

RELATIONS = {"above": (-1, 0), "below": (1, 0), "left of": (0, -1), "right of": (0, 1)}
"""Where the first thing lies, seen from the second: rows down and columns to the right."""

HELD_OUT = {("yellow", "circle"), ("blue", "triangle")}
"""Colours of shapes that training never shows; each colour and each shape is shown with others."""

_OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
_QUARTER = 5.5  # pixels from the middle of the picture to the middle of a thing's half
_SHAKE = 1.5  # pixels by which a thing may lie off its place
_NOISE = 0.05  # deviation of the pixels


@dataclass(frozen=True)
class Thing:
    """A shape in the picture."""

    size: str
    """`small` or `large`."""
    color: str
    """One of `COLORS`."""
    shape: str
    """One of `SHAPES`."""

    @property
    def words(self) -> str:
        """As a caption names it."""
        return f"a {self.size} {self.color} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """What a picture shows."""

    things: tuple[Thing, ...]
    """One or two."""
    relation: str | None = None
    """Where the first thing lies, seen from the second; None for one alone."""

    @property
    def caption(self) -> str:
        """In words."""
        first, *rest = (thing.words for thing in self.things)
        return f"{first} {self.relation} {rest[0]}" if rest else first

    @property
    def turned(self) -> "Scene":
        """The same picture, said from the other thing."""
        return Scene(self.things[::-1], _OPPOSITE[self.relation]) if self.relation else self

    @property
    def moved(self) -> "Scene":
        """Another picture: the two things have changed places; one alone stays."""
        return replace(self, relation=self.relation and _OPPOSITE[self.relation])

    @property
    def recolored(self) -> "Scene":
        """Another picture: the two things have changed colours; one alone stays."""
        colors = [thing.color for thing in self.things][::-1]
        return replace(self, things=tuple(replace(thing, color=color) for thing, color in zip(self.things, colors, strict=True)))

    @property
    def is_held_out(self) -> bool:
        """Whether it holds a shape in a colour that training never shows."""
        return any((thing.color, thing.shape) in HELD_OUT for thing in self.things)


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures with what they show."""

    pictures: Float[Tensor, "picture 3 24 24"]
    """From 0 to 1, but for the noise."""
    captions: list[str]
    """Of each picture."""
    truth: list[Scene]
    """Behind each picture."""


def scenes(n: int, seed: int, held: bool = False) -> Scenes:
    """Draw pictures of different scenes.

    Arguments:
        n: how many.
        seed: the same seed gives the same pictures.
        held: only scenes with a shape in a colour that training never shows; otherwise only scenes without one.

    Returns:
        The pictures, captions and truth.

    Raises:
        InputError: more scenes are asked for than there are of the kind.

    >>> drawn = scenes(2, seed=0)
    >>> drawn.pictures.shape, drawn.captions[0] == drawn.truth[0].caption
    (torch.Size([2, 3, 24, 24]), True)
    """
    if not 1 <= n <= 300:
        raise InputError(f"n={n}: ask for 1 to 300 scenes at a time, so that all can differ")
    rng = random.Random(f"{seed} {held}")
    drawn: dict[frozenset[Scene], Scene] = {}
    while len(drawn) < n:
        scene = draw(rng)
        if scene.is_held_out == held:
            drawn.setdefault(frozenset({scene, scene.turned}), scene)
    truth = list(drawn.values())
    return Scenes(render(truth, rng.randrange(2**31)), [scene.caption for scene in truth], truth)


def draw(rng: random.Random, alone: float = 0.2) -> Scene:
    """A random scene; its two things differ.

    Arguments:
        rng: the source of chance.
        alone: chance of a single thing.
    """

    def thing() -> Thing:
        return Thing(rng.choice(list(RADIUS)), rng.choice(list(COLORS)), rng.choice(SHAPES))

    first, second = thing(), thing()
    while second == first:
        second = thing()
    return Scene((first,)) if rng.random() < alone else Scene((first, second), rng.choice(list(RELATIONS)))


def render(truth: Sequence[Scene], seed: int) -> Float[Tensor, "picture 3 24 24"]:
    """Paint scenes.

    Arguments:
        truth: what to paint.
        seed: of where exactly the things lie, and of the noise.

    Returns:
        The pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.zeros(len(truth), 3, SIZE, SIZE)
    places = torch.arange(SIZE) - (SIZE - 1) / 2
    shake = (2 * torch.rand(len(truth), 2, 2, generator=generator) - 1) * _SHAKE
    for side in range(2):
        chosen = [i for i, scene in enumerate(truth) if len(scene.things) > side]
        if not chosen:
            continue
        things = [truth[i].things[side] for i in chosen]
        sign = 1 - 2 * side  # the second thing lies on the other side of the middle
        middle = torch.tensor([RELATIONS.get(truth[i].relation or "", (0, 0)) for i in chosen]) * (sign * _QUARTER) + shake[chosen, side]
        row = places[None, :, None] - middle[:, 0, None, None]
        col = places[None, None, :] - middle[:, 1, None, None]
        radius = torch.tensor([RADIUS[thing.size] for thing in things])[:, None, None]
        forms = torch.stack(
            [
                row**2 + col**2 <= radius**2,
                torch.maximum(row.abs(), col.abs()) <= 0.9 * radius,
                (row.abs() <= radius) & (col.abs() <= (row + radius) / 2),
            ]
        )
        shape = torch.tensor([SHAPES.index(thing.shape) for thing in things])
        form = forms[shape, torch.arange(len(things))]
        paint = torch.tensor([COLORS[thing.color] for thing in things])[:, :, None, None]
        pictures[chosen] = torch.where(form[:, None], paint, pictures[chosen])
    return pictures + _NOISE * torch.randn(pictures.shape, generator=generator)
