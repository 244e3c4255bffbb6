"""A network in the shape of SqueezeNet 1.0 (Iandola et al. 2016) with random weights, and pictures for it."""

from collections import OrderedDict
from typing import Any

PICTURES, SIDE, CLASSES = 64, 224, 1000
FIRES = ((96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128), (256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256))
POOLED_AFTER = (2, 6)  # fires, counted from 0


def network() -> Any:
    """The network; its last maps, one for each class, leave the module `classes`."""
    import torch
    from torch import nn

    class Fire(nn.Module):
        """Few channels first, then two convolutions side by side."""

        def __init__(self, entering: int, squeezed: int, expanded: int) -> None:
            super().__init__()
            self.squeeze, self.relu = nn.Conv2d(entering, squeezed, 1), nn.ReLU()
            self.one, self.three = nn.Conv2d(squeezed, expanded, 1), nn.Conv2d(squeezed, expanded, 3, padding=1)
            self.after = nn.ReLU()

        def forward(self, x: Any) -> Any:
            x = self.relu(self.squeeze(x))
            return self.after(torch.cat([self.one(x), self.three(x)], 1))

    torch.manual_seed(0)
    layers: list[tuple[str, Any]] = [("conv", nn.Conv2d(3, 96, 7, stride=2)), ("relu", nn.ReLU()), ("pool", nn.MaxPool2d(3, 2, ceil_mode=True))]
    for i, sizes in enumerate(FIRES):
        layers.append((f"fire{i}", Fire(*sizes)))
        if i in POOLED_AFTER:
            layers.append((f"pool{i}", nn.MaxPool2d(3, 2, ceil_mode=True)))
    layers += [("classes", nn.Conv2d(512, CLASSES, 1)), ("last", nn.ReLU()), ("mean", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten())]
    return nn.Sequential(OrderedDict(layers)).eval()


def pictures(device: str) -> tuple[Any, Any]:
    """Pictures of noise, and a class for each."""
    import torch

    generator = torch.Generator().manual_seed(1)
    images = torch.randn(PICTURES, 3, SIDE, SIDE, generator=generator)
    return images.to(device), torch.randint(0, CLASSES, (PICTURES,), generator=generator).to(device)
