"""A small convolutional classifier on one page: its maps can be read at `blocks.{i}.conv:out` and, rectified, at `blocks.{i}.act:out`.

Each block is a convolution and a ReLU; every block but the last halves the map by taking the largest of each square of four.
The last block's maps are averaged over their places, and a linear map reads the classes off: so the score of a class is the mean of a map
of its own (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization").
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn import storage
from sonde.results import InputError


@dataclass(frozen=True)
class ConvNetConfig:
    """The shape of a convolutional network; two configurations that are equal make the same modules."""

    model_type: ClassVar[str] = "sonde-convnet"
    """What a folder recognises the network by."""

    image_size: int
    """Rows and columns of a picture; others are refused."""
    n_classes: int
    """Classes to tell apart."""
    channels: tuple[int, ...] = (16, 32, 64)
    """Maps of each block, first to last."""
    image_channels: int = 1
    """1 for grey pictures, 3 for coloured ones."""
    kernel_size: int = 3
    """Rows and columns that a convolution sees, an odd number; outside the picture it sees zeros."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))  # a list, where it was read from JSON
        if not self.channels or self.image_size % 2 ** (len(self.channels) - 1):
            raise InputError(f"image_size={self.image_size} can't be halved {len(self.channels) - 1} times: change it or channels")
        if self.kernel_size % 2 == 0:
            raise InputError(f"kernel_size={self.kernel_size} has no middle: give an odd number")


class ConvBlock(nn.Module):
    """Convolution, ReLU and, if asked for, the largest of each square of four."""

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int, halves: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel_size, padding=kernel_size // 2)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2) if halves else nn.Identity()

    def forward(self, maps: Float[Tensor, "batch channels_in row col"]) -> Float[Tensor, "batch channels_out row_out col_out"]:
        return self.pool(self.act(self.conv(maps)))


class ConvNet(nn.Module):
    """A classifier of small pictures.

    Arguments:
        config: its shape.

    >>> net = ConvNet(ConvNetConfig(image_size=8, n_classes=10))
    >>> net(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.image_channels, *config.channels)
        last = len(config.channels) - 1
        self.blocks = nn.Sequential(*(ConvBlock(widths[i], widths[i + 1], config.kernel_size, halves=i < last) for i in range(last + 1)))
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(widths[-1], config.n_classes)

    def forward(self, pixel_values: Float[Tensor, "batch channel row col"]) -> Float[Tensor, "batch n_classes"]:
        """Logits of the classes.

        Arguments:
            pixel_values: the pictures, scaled as in training.

        Returns:
            The logits.

        Raises:
            InputError: pictures of another size.
        """
        expected = (self.config.image_channels, self.config.image_size, self.config.image_size)
        if pixel_values.ndim != 4 or pixel_values.shape[1:] != expected:
            raise InputError(f"pictures of {tuple(pixel_values.shape)} do not fit: give (batch, {', '.join(map(str, expected))})")
        return self.head(self.mean(self.blocks(pixel_values)).flatten(1))

    def load_stored(self, weights: dict[str, Tensor]) -> None:
        """Take over the weights of an equally shaped network.

        Arguments:
            weights: by name; they become the parameters themselves, without a copy.

        Raises:
            LoadError: a tensor is missing, unknown or of another shape.
        """
        storage.fit(self.state_dict(), weights)
        self.load_state_dict(weights, assign=True)

    def save(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write `config.json` and `model.safetensors`.

        Arguments:
            folder: made if it is missing.
            dtype: of the stored weights; None keeps theirs.
        """
        storage.write(folder, self.config, self.state_dict(), dtype)

    @classmethod
    def load(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> "ConvNet":
        """Read a folder written by `save`.

        Arguments:
            folder: with `config.json` and `model.safetensors`.
            dtype: of the weights in memory; weights stored in half precision are computed with in float32 unless told otherwise.

        Returns:
            The network, in evaluation mode.

        Raises:
            LoadError: a file is missing, unreadable, or not of this kind of network.
        """
        return storage.read(folder, cls, ConvNetConfig, dtype)
