"""What dataset-examples is about: ten thousand pictures of noise, a layer of a network in the shape of SqueezeNet, and what is kept of each unit."""

from typing import Any

from bench.subjects import squeezenet

LAYER = "fire5"  # 384 units
PICTURES, SIDE = 10_000, 64
TOP, LEVELS, EACH = 20, 10, 5
BATCH = 64


def network(device: str) -> Any:
    """The network, whose weights need no gradient."""
    return squeezenet.network().to(device).requires_grad_(False)


def pictures() -> Any:
    """Pictures from 0 to 1 (picture channel row col)."""
    import torch

    return torch.rand(PICTURES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
