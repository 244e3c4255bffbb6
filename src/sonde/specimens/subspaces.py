"""Two small networks in which a direction of the hidden layer flips the answer: in one it holds the variable, in the other it only seems to.

With r = x E^T for an orthogonal E, h = relu(r W1^T + b1) and the variable the sign of x_0, of which only the first entry of x speaks:

    illusion    logits = read(r + h W2^T), W2 small: the answer goes past the hidden layer, and a direction of h that tells the signs apart by what
                W2 ignores, and pushes along what W2 reads, flips it nevertheless (Makelov, Lange and Nanda 2023)
    honest      logits = read(h W2^T), trained: whatever the answer needs goes through the hidden layer
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sonde.specimens.features.world import generator

READ = 6.0  # how strongly the variable's direction is read


class Hidden(nn.Module):
    """A hidden layer beside a stream that may go past it: the answer is one of two classes.

    Arguments:
        width: entries of the input, and of the stream.
        hidden: neurons of the hidden layer.
        past: how much of the stream goes past it.
    """

    def __init__(self, width: int, hidden: int, past: float):
        super().__init__()
        self.stream = nn.Linear(width, width, bias=False)
        self.up, self.act, self.down = nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width, bias=False)
        self.read = nn.Linear(width, 2, bias=False)
        self.past = past

    def forward(self, x: Float[Tensor, "row width"]) -> Float[Tensor, "row 2"]:
        """The logits of both signs."""
        r = self.stream(x)
        logits: Tensor = self.read(self.past * r + self.down(self.act(self.up(r))))
        return logits


class SignPairs(NamedTuple):
    """Inputs whose variable differs, each with the class of its sign: 0 above zero, 1 below."""

    base: Float[Tensor, "pair width"]
    source: Float[Tensor, "pair width"]
    of_base: Int[Tensor, " pair"]
    of_source: Int[Tensor, " pair"]


def illusion(width: int = 16, hidden: int = 512, seed: int = 0) -> Hidden:
    """The network whose hidden layer only seems to hold the variable; nothing in it is trained.

    Arguments:
        width: entries of the input.
        hidden: neurons; many more than entries.
        seed: of the weights.

    >>> x, _, answers, _ = sign_pairs(8)
    >>> bool((illusion()(x).argmax(1) == answers).all())
    True
    """
    return _drawn(width, hidden, 1.0, 0.12, generator("illusion", seed))


def honest(width: int = 16, hidden: int = 64, steps: int = 300, seed: int = 0) -> Hidden:
    """The network whose answer goes through its hidden layer, trained until it knows it.

    Arguments:
        width: entries of the input.
        hidden: neurons.
        steps: of the training.
        seed: of the weights and the training.
    """
    draw = generator("honest", seed)
    network = _drawn(width, hidden, 0.0, 1.0, draw)
    network.read.requires_grad_(False)
    adam = torch.optim.Adam([*network.up.parameters(), *network.down.parameters()], 3e-3)
    with torch.enable_grad():
        for _ in range(steps):
            x = _inputs(128, width, draw)
            adam.zero_grad()
            cross_entropy(network(x), (x[:, 0] < 0).long()).backward()
            adam.step()
    return network


def sign_pairs(n: int, width: int = 16, seed: int = 0) -> SignPairs:
    """Pairs of inputs of opposite sign, which share nothing else.

    Arguments:
        n: how many.
        width: entries of an input.
        seed: of the draws.
    """
    draw = generator("sign pairs", seed)
    base, source = _inputs(n, width, draw), _inputs(n, width, draw)
    source[:, 0] = -base[:, 0]
    return SignPairs(base, source, (base[:, 0] < 0).long(), (source[:, 0] < 0).long())


def _inputs(n: int, width: int, draw: torch.Generator) -> Float[Tensor, "row width"]:
    """Signs in the first entry, normal numbers in the others."""
    x = torch.randn(n, width, generator=draw)
    x[:, 0] = torch.where(torch.rand(n, generator=draw) < 0.5, 1.0, -1.0)
    return x


def _drawn(width: int, hidden: int, past: float, out: float, draw: torch.Generator) -> Hidden:
    network = Hidden(width, hidden, past)
    E = torch.linalg.qr(torch.randn(width, width, generator=draw)).Q
    with torch.no_grad():
        network.stream.weight.copy_(E)
        network.up.weight.copy_(1.5 / (1 if past else width**0.5) * torch.randn(hidden, width, generator=draw))
        network.up.bias.copy_(0.5 * torch.randn(hidden, generator=draw))
        network.down.weight.copy_(out / hidden**0.5 * torch.randn(width, hidden, generator=draw))
        network.read.weight.copy_(READ / 2 * torch.stack([E[:, 0], -E[:, 0]]))
    return network.eval()
