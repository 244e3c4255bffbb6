"""Edits under which a model is a linear map on the way back: every rule of layer-wise relevance propagation, in the order of the modules.

    a norm's scale held constant            (Ali et al. 2022)
    an activation as its input times a constant ratio       (the identity rule)
    a product of two factors giving half to each: a gated MLP's, attention's pattern times values, queries times keys
    attention's pattern held constant, or the softmax by its own derivative (AttnLRP, Achtibat et al. 2024)

Gradients under these edits are relevance per unit of the value; values stay as they are.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from torch import nn

from sonde.access.architectures import Architecture
from sonde.access.edits import Detach, Edit, GradRule
from sonde.access.edits.relevance import FrozenNorm, LayerRule, LayerRuleName, is_layer, is_norm
from sonde.results import InputError, SiteUnavailable

if TYPE_CHECKING:
    from sonde.access.model import Model

Attention = Literal["attnlrp", "frozen"]

_SMOOTH = ("gelu", "silu", "swish", "mish", "tanh", "elu", "softplus", "activation")  # in the names of classes of activations
_REFUSED = (nn.RNNBase, nn.MultiheadAttention, nn.Bilinear)


def linearising(
    model: "Model", attention: Attention, rule: LayerRuleName = "epsilon", epsilon: float = 1e-6, gamma: float = 0.25, alpha: float = 2.0
) -> Iterator[Edit]:
    """Every backward rule of a model.

    Arguments:
        model: a network of linear layers, convolutions, activations, norms and poolings; or a transformer of a known family.
        attention: "attnlrp": through pattern and values, half each; "frozen": the pattern is a constant.
        rule: of the linear and convolutional layers.
        epsilon, gamma, alpha: of these rules, as `LayerRule` has them.

    Raises:
        InputError: a layer for which there is no rule. SiteUnavailable: attention that can't be recorded.
    """
    stacks = stacks_of(model)
    for stack in stacks:
        yield from _of_attention(model, stack, attention)
    within = tuple(f"{stack.blocks}." for stack in stacks)
    for path, module in model.module.named_modules():
        inside = path.startswith(within) if stacks else bool(path)
        if not stacks and isinstance(module, _REFUSED):
            raise InputError(f"{path or 'the module'!r} is a {type(module).__name__}, for which LRP has no rule here: use integrated gradients")
        if type(module).__name__ == "SoLU":
            raise InputError(f"the neurons of {path!r} inhibit one another (SoLU), for which LRP has no rule here: use integrated gradients")
        if is_norm(module) and (inside or path in _norms(stacks)):
            yield FrozenNorm(f"{path}:out")
        elif inside and is_layer(module) and not (stacks and rule == "epsilon"):  # without epsilon the rule is the plain gradient
            yield LayerRule(f"{path}:out", rule, epsilon, gamma, alpha)
        elif inside and _is_smooth(module):
            yield GradRule(f"{path}:out", "identity")


def frozen_norms(model: "Model") -> Iterator[Edit]:
    """Hold what every norm of a transformer divides by constant.

    Arguments:
        model: of a known family.
    """
    stacks = stacks_of(model)
    within = tuple(f"{stack.blocks}." for stack in stacks)
    for path, module in model.module.named_modules():
        if is_norm(module) and (path.startswith(within) or path in _norms(stacks)):
            yield FrozenNorm(f"{path}:out")


def _of_attention(model: "Model", stack: Architecture, attention: Attention) -> Iterator[Edit]:
    """The rules of the products of a stack."""
    for i in range(stack.n_layers):
        block = f"{stack.prefix}blocks.{i}."
        for site in ("attn.scores", "attn.z") if attention == "attnlrp" else ("attn.pattern",):
            if f"{block}{site}" not in model.architecture.sites:
                raise SiteUnavailable(f"LRP needs {block + site!r}: {stack.why_not(block + site) or 'this model has none'}")
            yield GradRule(f"{block}{site}", "half") if attention == "attnlrp" else Detach(f"{block}{site}")
        if f"{block}mlp.gate" in model.architecture.sites:
            yield GradRule(f"{block}mlp.post", "half")


def stacks_of(model: "Model") -> tuple[Architecture, ...]:
    """The stacks of blocks of a known family."""
    return tuple(stack for stack in model.architecture.towers or (model.architecture,) if stack.n_layers and stack.sites)


def _norms(stacks: tuple[Architecture, ...]) -> set[str]:
    """The norms outside the blocks, by path."""
    return {
        spec.point.module
        for stack in stacks
        for name, spec in stack.sites.items()
        if name.removeprefix(stack.prefix) in ("embed.norm.scale", "final_norm.scale")
    }


def _is_smooth(module: nn.Module) -> bool:
    """Whether a module is an activation other than a ReLU, whose own gradient is the identity rule already."""
    name = type(module).__name__.lower()
    return not list(module.children()) and not list(module.parameters()) and "relu" not in name and any(part in name for part in _SMOOTH)
