"""Small networks of pictures and tables whose attributions are known, as captum and hands compute them."""

import torch
from torch import nn

import sonde


def table(seed: int = 0, features: int = 4, classes: int = 3) -> tuple[sonde.Model, torch.Tensor]:
    """A linear classifier of a table, and 5 rows."""
    torch.manual_seed(seed)
    return sonde.Model(nn.Sequential(nn.Linear(features, classes))), torch.randn(5, features)


def rectified(seed: int = 0, bias: bool = True, act: type[nn.Module] = nn.ReLU) -> tuple[nn.Sequential, torch.Tensor]:
    """A network of ReLUs (or another activation) over 4 features, and 5 rows."""
    torch.manual_seed(seed)
    layers = (nn.Linear(4, 8, bias=bias), act(), nn.Linear(8, 6, bias=bias), act(), nn.Linear(6, 3, bias=bias))
    return nn.Sequential(*layers).eval(), torch.randn(5, 4)


def convnet(seed: int = 0, pooled: bool = True, bias: bool = True) -> tuple[nn.Sequential, torch.Tensor]:
    """Two convolutions, a pool and a linear head over pictures of 3 x 8 x 8, and 3 pictures."""
    torch.manual_seed(seed)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4, bias=bias)) if pooled else (nn.Flatten(), nn.Linear(6 * 16, 4, bias=bias))
    body = (nn.Conv2d(3, 5, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, padding=1, bias=bias), nn.ReLU())
    return nn.Sequential(*body, *head).eval(), torch.randn(3, 3, 8, 8)


class Functional(nn.Module):
    """A network whose ReLUs are functions: torch's, torch.nn's, a tensor's method and one in place."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.first, self.second, self.third = layers[0], layers[2], layers[4]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(x))
        return self.third(self.second(hidden).relu_())
