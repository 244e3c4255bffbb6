"""A probe of a weighted sum of layers, whose weights are learnt with it: h = sum_l s_l H_l, s a softmax (Peters et al. 2018; Tenney et al. 2019).

The factor gamma of the paper is left out: the weights of a linear probe hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.probing.probes import LinearProbe
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class Mix:
    """A trained mix.

    Arguments:
        shares: of the layers; they sum to 1.
        centre: of each layer, subtracted before they are mixed.
        scale: of each layer, by which it is divided: layers of different size would have shares that say little.
        probe: of the mix.
    """

    shares: Float[Tensor, " layer"]
    centre: Float[Tensor, "layer d"]
    scale: Float[Tensor, " layer"]
    probe: LinearProbe

    @property
    def centre_of_gravity(self) -> float:
        """sum_l l s_l."""
        return float(self.shares @ torch.arange(len(self.shares)).to(self.shares))

    def mixed(self, layers: Sequence[Float[Tensor, "n d"]]) -> Float[Tensor, "n d"]:
        """The weighted sum.

        Arguments:
            layers: activations of each layer.
        """
        parts = zip(self.shares, self.centre, self.scale, layers, strict=True)
        found: Tensor = sum(share / scale * (x - centre) for share, centre, scale, x in parts)  # type: ignore[assignment]
        return found


def fit_mix(
    layers: Sequence[Float[Tensor, "n d"]], y: Int[Tensor, " n"], n_classes: int, C: float = 1.0, iterations: int = 100
) -> Mix:  # fmt: skip
    """Fit shares and probe together, by L-BFGS over all examples.

    Arguments:
        layers: activations of each layer.
        y: the class of each example.
        n_classes: how many classes there are.
        C: how weak the penalty on the probe's weights is, as for `fit_logistic`.
        iterations: steps at most.

    Raises:
        InputError: layers of different widths, or fewer than two classes.
    """
    if len({x.shape[1] for x in layers}) > 1:
        raise InputError(f"layers of widths {sorted({x.shape[1] for x in layers})} can't be added up: give sites of equal width")
    if len(y.unique()) < 2:
        raise InputError(f"all {len(y)} examples are of one class: there is nothing to tell apart")
    centre = torch.stack([x.mean(0) for x in layers])
    scale = torch.stack([(x - mean).square().mean().sqrt().clamp_min(1e-12) for x, mean in zip(layers, centre, strict=True)])
    stacked = torch.stack([(x - mean) / size for x, mean, size in zip(layers, centre, scale, strict=True)])
    n, d = stacked.shape[1:]
    logits = torch.zeros(len(layers), requires_grad=True)
    weight, bias = torch.zeros(n_classes, d, requires_grad=True), torch.zeros(n_classes, requires_grad=True)
    search = torch.optim.LBFGS([logits, weight, bias], max_iter=iterations, tolerance_grad=1e-5, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        mixed = torch.tensordot(logits.softmax(0), stacked, 1)
        value = torch.nn.functional.cross_entropy(mixed @ weight.T + bias, y) + weight.square().sum() / (2 * C * n)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)
    steps, slope = search.state[logits]["n_iter"], max(float(one.grad.abs().max()) for one in (logits, weight, bias) if one.grad is not None)
    probe = LinearProbe(weight.detach(), bias.detach(), "logistic", n, 1 / C, slope, steps, steps < iterations)
    return Mix(logits.detach().softmax(0), centre, scale, probe)
