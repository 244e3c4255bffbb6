"""The softmax linear unit: neurons that inhibit one another.

    SoLU(x) = x * softmax(x)

over the neurons of a layer. A large neuron next to small ones stays as it is, many of one size nearly vanish; so features that are spread over
neurons are made costly. A norm after it gives the loss back that this costs: LN(SoLU(x)) (Elhage et al. 2022, "Softmax linear units").
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SoLU(nn.Module):
    """x * softmax(x) over the last axis: of neurons, not of tokens.

    >>> [round(value, 3) for value in SoLU()(torch.tensor([4.0, 1.0, 4.0, 1.0])).tolist()]
    [1.905, 0.024, 1.905, 0.024]
    """

    def forward(self, x: Float[Tensor, "*batch neuron"]) -> Float[Tensor, "*batch neuron"]:
        """The activations; in half precision the softmax is formed in float32."""
        return x * x.softmax(-1, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)


class NormedSoLU(nn.Module):
    """SoLU with a LayerNorm after it: what neurons do is read at `solu:out`, what the network reads of them at `norm:out`.

    Arguments:
        width: neurons.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.solu, self.norm = SoLU(), nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "*batch neuron"]) -> Float[Tensor, "*batch neuron"]:
        """The activations, normed."""
        normed: Tensor = self.norm(self.solu(x))
        return normed
