"""Shifts with a name: what befalls inputs between the laboratory and the world. Each is a value, called on inputs, the same every time.

shifts.Noise(0.2)(pictures)        shifts.Typos(0.1)(texts)        pictures[shifts.by_group(groups, {"a": 0.9, "b": 0.1})]
"""

import math
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError


@dataclass(frozen=True)
class Noise:
    """Independent noise on every pixel, or on every number of a table.

    Arguments:
        std: its deviation, in the inputs' own scale.
        seed: of the noise.
    """

    std: float
    seed: int = 0

    def __call__(self, inputs: Float[Tensor, "example *cell"]) -> Float[Tensor, "example *cell"]:
        return inputs + self.std * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(self.seed))


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur; the border is continued.

    Arguments:
        sigma: its width in pixels.
    """

    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise InputError(f"sigma={self.sigma} blurs nothing: give a width above 0")

    def __call__(self, pictures: Float[Tensor, "example channel row col"]) -> Float[Tensor, "example channel row col"]:
        reach = max(1, math.ceil(3 * self.sigma))
        weights = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * self.sigma**2))
        weights = weights / weights.sum()
        n, channels, rows, cols = pictures.shape
        maps = torch.nn.functional.pad(pictures.reshape(n * channels, 1, rows, cols), (reach,) * 4, mode="replicate")
        maps = torch.nn.functional.conv2d(maps, weights.view(1, 1, -1, 1))
        return torch.nn.functional.conv2d(maps, weights.view(1, 1, 1, -1)).reshape(pictures.shape)


@dataclass(frozen=True)
class Contrast:
    """Every pixel's distance from its picture's mean, times a factor.

    Arguments:
        factor: below 1 for less contrast.
    """

    factor: float

    def __call__(self, pictures: Float[Tensor, "example channel row col"]) -> Float[Tensor, "example channel row col"]:
        mean = pictures.mean((1, 2, 3), keepdim=True)
        return mean + self.factor * (pictures - mean)


@dataclass(frozen=True)
class Brightness:
    """The same amount added to every pixel.

    Arguments:
        amount: in the pictures' own scale.
    """

    amount: float

    def __call__(self, pictures: Float[Tensor, "example channel row col"]) -> Float[Tensor, "example channel row col"]:
        return pictures + self.amount


@dataclass(frozen=True)
class Rotation:
    """Pictures turned about their middle, anticlockwise; corners that come into view are 0.

    Arguments:
        degrees: by how much.
    """

    degrees: float

    def __call__(self, pictures: Float[Tensor, "example channel row col"]) -> Float[Tensor, "example channel row col"]:
        angle = math.radians(self.degrees)
        turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]])
        grid = torch.nn.functional.affine_grid(turn.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
        return torch.nn.functional.grid_sample(pictures, grid, align_corners=False)


@dataclass(frozen=True)
class Typos:
    """Neighbouring letters exchanged inside words.

    Arguments:
        share: of the words of four letters or more that get one.
        seed: of which words, and where.
    """

    share: float
    seed: int = 0

    def __call__(self, texts: Sequence[str]) -> list[str]:
        rng = random.Random(self.seed)
        return [" ".join(self._word(word, rng) for word in text.split(" ")) for text in texts]

    def _word(self, word: str, rng: random.Random) -> str:
        if len(word) < 4 or not all(letter in string.ascii_letters for letter in word) or rng.random() >= self.share:
            return word
        i = rng.randrange(1, len(word) - 2)  # the first and the last letter stay, as in most real ones
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


@dataclass(frozen=True)
class Casing:
    """All letters in one case.

    Arguments:
        case: "upper", "lower" or "title".
    """

    case: Literal["upper", "lower", "title"]

    def __call__(self, texts: Sequence[str]) -> list[str]:
        return [getattr(text, self.case)() for text in texts]


def by_group(groups: Sequence[str], shares: Mapping[str, float], seed: int = 0) -> list[int]:
    """The largest draw of cases, none twice, in which the groups have given shares: another population of the same kinds of cases.

    Arguments:
        groups: of each case.
        shares: of each group in the new population; a group that is not named is left out.
        seed: of which cases.

    Raises:
        InputError: shares that don't sum to 1, or of a group without cases.

    >>> sorted(by_group(["a", "a", "a", "b"], {"a": 0.5, "b": 0.5}))[-1]
    3
    """
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-6) or min(shares.values()) < 0:
        raise InputError(f"the shares {dict(shares)} do not sum to 1")
    held = {name: [i for i, group in enumerate(groups) if group == name] for name in shares}
    empty = next((name for name, share in shares.items() if share and not held[name]), None)
    if empty is not None:
        raise InputError(f"there is no case of the group {empty!r}: the groups are {', '.join(sorted(set(groups)))}")
    size = min(len(held[name]) / share for name, share in shares.items() if share)
    rng = random.Random(seed)
    return [i for name, share in shares.items() for i in rng.sample(held[name], int(size * share + 1e-9))]


PICTURES = {"noise": Noise, "blur": Blur, "contrast": Contrast, "brightness": Brightness, "rotation": Rotation}
"""The shifts of pictures by name; each takes one number."""
