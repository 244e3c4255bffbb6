"""Backward rules of layer-wise relevance propagation, as edits of a layer's output: its value stays, and its gradient is that of another map.

With R_j = z_j dF/dz_j the relevance of a layer's output, each rule hands R on to the input as R_i = x_i dF/dx_i of a changed layer, so that
gradient times input is relevance everywhere (Montavon et al. 2019):

    epsilon      R_i = sum_j x_i w_ij / (z_j + eps sign z_j) R_j
    gamma        the same with w + gamma w+ where it speaks for z_j's sign
    zplus        only what is positive:     (x_i w_ij)+ / sum_k (x_k w_kj)+
    alpha-beta   alpha times the positive part less beta times the negative one, alpha - beta = 1
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from sonde.access.edits.backward import Backward
from sonde.access.edits.base import Place
from sonde.access.sites import Site
from sonde.access.views import norm_scale
from sonde.results import EditError

LayerRuleName = Literal["epsilon", "gamma", "zplus", "alpha-beta"]

_CONVOLUTIONS = {nn.Conv1d: functional.conv1d, nn.Conv2d: functional.conv2d, nn.Conv3d: functional.conv3d}


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a linear map with weights of its own, which has these rules.

    Arguments:
        module: any.
    """
    return type(module) in (nn.Linear, *_CONVOLUTIONS) or type(module).__name__ == "Conv1D"


@dataclass(frozen=True, eq=False, repr=False, init=False)
class LayerRule(Backward):
    """Hand relevance through a linear or convolutional layer by another rule.

    Arguments:
        site: the output of the layer, by its path.
        rule: "epsilon", "gamma", "zplus" or "alpha-beta".
        epsilon: what keeps the denominators away from zero.
        gamma: how much what speaks for the output's sign is favoured.
        alpha: the share of the positive part; the negative one gets alpha - 1.

    Raises:
        EditError: another rule; in a run: a site that is no such layer's output.

    >>> LayerRule("features.0:out", "gamma", gamma=0.25)
    LayerRule('features.0:out', rule='gamma', epsilon=1e-06, gamma=0.25, alpha=2)
    """

    rule: LayerRuleName
    epsilon: float
    gamma: float
    alpha: float

    def __init__(self, site: str | Site, rule: LayerRuleName, epsilon: float = 1e-6, gamma: float = 0.25, alpha: float = 2.0) -> None:
        super().__init__(site)
        for name, value in (("rule", rule), ("epsilon", epsilon), ("gamma", gamma), ("alpha", alpha)):
            object.__setattr__(self, name, value)
        if rule not in ("epsilon", "gamma", "zplus", "alpha-beta"):
            raise EditError(f"{self}: a rule is 'epsilon', 'gamma', 'zplus' or 'alpha-beta'")

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The old value, with the gradient of the rule."""
        if not is_layer(place.module) or not self.site.name.endswith(":out") or self.site.select or place.entering is None:
            raise EditError(f"{self}: needs the whole output of a linear layer or convolution, and here is a {type(place.module).__name__}")
        value = old.detach()
        new = value
        for share, part in self._parts(place.module, place.entering, old):
            kept = part.detach()
            ratio = value / (kept + self.epsilon * torch.where(kept < 0, -1.0, 1.0))
            new = new + share * (part - kept) * ratio
        return new

    def _parts(self, layer: nn.Module, x: Tensor, z: Tensor) -> Iterator[tuple[float, Tensor]]:
        """The maps that stand for the layer, and their shares."""
        if self.rule == "epsilon":
            yield 1.0, z
            return
        weight, bias = _parameters(layer)
        positive, negative = x.clamp(min=0), x.clamp(max=0)

        def of(sign: int, favour: float) -> Tensor:
            """What speaks for a sign: by `favour` more than its share; alone where that is infinite."""
            aside = [part.clamp(min=0) if sign > 0 else part.clamp(max=0) for part in (weight, bias)]
            against = weight - aside[0]
            if favour == float("inf"):
                return _applied(layer, positive, aside[0], aside[1]) + _applied(layer, negative, against, None)
            mixed = weight + favour * aside[0], weight + favour * against
            return _applied(layer, positive, mixed[0], bias + favour * aside[1]) + _applied(layer, negative, mixed[1], None)

        if self.rule == "gamma":
            yield 1.0, torch.where(z > 0, of(1, self.gamma), of(-1, self.gamma))
        else:
            alpha = 1.0 if self.rule == "zplus" else self.alpha
            yield alpha, of(1, float("inf"))
            if alpha != 1:
                yield 1 - alpha, of(-1, float("inf"))


@dataclass(frozen=True, eq=False, repr=False, init=False)
class FrozenNorm(Backward):
    """Let gradients through a norm as if what it divides by were a constant.

    Arguments:
        site: the output of a LayerNorm or RMSNorm, by its path.

    Raises:
        EditError: in a run: a site that is no norm's output.

    >>> FrozenNorm("transformer.ln_f:out")
    FrozenNorm('transformer.ln_f:out')
    """

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The old value, with the gradient of the norm under a constant scale."""
        if not is_norm(place.module) or place.entering is None:
            raise EditError(f"{self}: needs the output of a LayerNorm or RMSNorm, and here is a {type(place.module).__name__}")
        return held_scale(place.module, place.entering, old)


def held_scale(norm: nn.Module, entering: Tensor, out: Tensor) -> Tensor:
    """A norm's output, with the gradient that it has under a constant scale.

    Arguments:
        norm: a LayerNorm or RMSNorm.
        entering: what it was given.
        out: its output.
    """
    scale = norm_scale(norm, entering)
    bias = getattr(norm, "bias", None)
    centred = (out if bias is None else out - bias).detach()
    # the norm's own gradient has the term - centred d(scale) / scale, which this takes away; the value is that of before
    return out + centred * (scale / scale.detach() - 1).unsqueeze(-1).to(out.dtype)


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a norm of which sonde knows by what it divides.

    Arguments:
        module: any.
    """
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith(("RMSNorm", "T5LayerNorm"))


def _parameters(layer: Any) -> tuple[Tensor, Tensor]:
    """A layer's weight, and its bias or zeros."""
    weight: Tensor = layer.weight
    outputs = weight.shape[1] if type(layer).__name__ == "Conv1D" else weight.shape[0]
    return weight, weight.new_zeros(outputs) if layer.bias is None else layer.bias


def _applied(layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The layer with other parameters."""
    if type(layer).__name__ == "Conv1D":
        return functional.linear(x, weight.T, bias)
    if isinstance(layer, nn.Linear):
        return functional.linear(x, weight, bias)
    if layer.padding_mode != "zeros":
        raise EditError(f"a convolution with padding_mode={layer.padding_mode!r} has no such rule here: use rule='epsilon'")
    convolve: Any = _CONVOLUTIONS[type(layer)]
    found: Tensor = convolve(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
    return found
