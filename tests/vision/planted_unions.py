"""Networks into which a union circuit was written: the left pathway 0 -> 2, the right one 1 -> 3, and the union 4."""

import torch
from torch import nn

import sonde

CHANNELS = 16
PARTS = ("excitation", "inhibition", "union")


def planted(seed, without=(), channels=CHANNELS, strength=0.8, noise=0.1):
    """Two layers of random weights with a circuit in them, or with one ingredient left out."""
    generator = torch.Generator().manual_seed(seed)

    def asymmetric():
        return strength * (0.5 + torch.rand(3, 3, generator=generator))

    first, join = (noise * torch.randn(channels, channels, 3, 3, generator=generator) for _ in range(2))
    excite, inhibit, both = asymmetric(), -asymmetric(), asymmetric()
    if "excitation" not in without:
        first[2, 0], first[3, 1] = excite, excite.flip(-1)
    if "inhibition" not in without:
        first[2, 1], first[3, 0] = inhibit, inhibit.flip(-1)
    if "union" not in without:
        join[4, 2], join[4, 3] = both, both.flip(-1)
    return [first, join]


def shuffled(weights, seed):
    """The same numbers in random order, layer by layer."""
    generator = torch.Generator().manual_seed(seed)
    return [one.flatten()[torch.randperm(one.numel(), generator=generator)].view_as(one) for one in weights]


CORNER = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
"""What the left source looks for; the right one looks for its mirror image."""


class Net(nn.Module):
    """The circuit behind sixteen filters, of which the first looks for a corner and the second for its mirror image."""

    def __init__(self, seed, without=(), noise=0.1):
        super().__init__()
        torch.manual_seed(seed)
        self.look, self.path, self.join = nn.Conv2d(1, CHANNELS, 3, padding=1), *(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(2))
        template = CORNER - CORNER.mean()
        with torch.no_grad():
            self.look.weight[:2, 0] = torch.stack([template, template.flip(-1)])
            self.look.bias[:2] = -1.2  # of a whole corner 2.2: what is left is what looks most like one
            for layer, weight in zip((self.path, self.join), planted(seed, without, noise=noise), strict=True):
                layer.weight.copy_(weight)
                layer.bias.zero_()

    def forward(self, pixel_values):
        maps = torch.relu(self.path(torch.relu(self.look(pixel_values))))
        return torch.relu(self.join(maps)).mean((2, 3))


def network(seed, without=(), noise=0.1):
    return sonde.load(Net(seed, without, noise).eval())


def corners(n, seed):
    """Pictures with a corner to the left, to the right, or one of each at one place, anywhere, on noise."""
    generator = torch.Generator().manual_seed(seed)
    pictures = 0.1 * torch.rand(n, 1, 12, 12, generator=generator)
    for i, picture in enumerate(pictures):
        row, col = torch.randint(1, 8, (2,), generator=generator).tolist()
        forms = ([CORNER], [CORNER.flip(-1)], [CORNER, CORNER.flip(-1)])[i % 3]
        for form in forms:
            shift = int(torch.randint(0, 2, (1,), generator=generator)) if len(forms) > 1 else 0
            part = picture[0, row : row + 3, col + shift : col + shift + 3]
            part.copy_(torch.maximum(part, 0.9 * form))
    return pictures
