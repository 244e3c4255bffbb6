"""A known sparse layer, y = sum_i max(0, <e_i, x> - b) d_i, of sparse inputs: what a transcoder should find is its units."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sonde.bases import Codes
from sonde.specimens.features.world import Batch, generator


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of rectified units over sparse inputs x = S E', whose active units are the features behind what it writes.

    Arguments:
        inputs: what the inputs are made of; each unit reads one of them, and a little of the others where they are not at right angles.
        encoder: what each unit reads.
        bias: what is taken away before the rectifier.
        directions: what each unit writes.
        density: how often each input fires.
        low, high: the least and the greatest strength of an input.
        seed: of the draws.
    """

    inputs: Float[Tensor, "unit width"]
    encoder: Float[Tensor, "unit width"]
    bias: float
    directions: Float[Tensor, "unit out"]
    density: float
    low: float
    high: float
    seed: int

    def __call__(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows out"]:
        """What it writes."""
        return self.units(x) @ self.directions

    def units(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows unit"]:
        """Its active units."""
        return (x @ self.encoder.T - self.bias).relu()

    def batch(self, rows: int, step: int = 0) -> Batch:
        """The batch with this number; the same whenever it is asked for.

        Arguments:
            rows: how many activations.
            step: its number.
        """
        draw = generator("layer", self.seed, rows, step)
        strength = self.low + (self.high - self.low) * torch.rand(rows, len(self.inputs), generator=draw)
        x = (strength * (torch.rand(rows, len(self.inputs), generator=draw) < self.density)) @ self.inputs
        units = self.units(x)
        return Batch(x, Codes.of(units), units @ self.directions)


def layer(
    width: int = 32, out: int = 32, units: int = 64, density: float = 0.03, bias: float = 0.35, low: float = 0.5, high: float = 1.5, seed: int = 0
) -> Layer:  # fmt: skip
    """A random layer whose units read sparse inputs.

    Arguments:
        width: entries that it reads.
        out: entries that it writes.
        units: how many it has, and how many inputs there are.
        density: how often each input fires.
        bias: what is taken away before the rectifier.
        low: the least strength of an input.
        high: the greatest.
        seed: of the layer; no learner's seed, however small, draws the same.

    >>> found = layer().batch(4)
    >>> torch.allclose(found.codes.decode(layer().directions), found.y, atol=1e-6)
    True
    """
    reads, writes = (normalize(torch.randn(units, n, generator=generator(name, seed, n)), dim=1) for name, n in (("reads", width), ("writes", out)))
    return Layer(reads, reads, bias, writes, density, low, high, seed)
