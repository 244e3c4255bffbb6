"""Layer-wise relevance propagation (LRP): the metric shared out from the output to the input, layer by layer, by rules that keep its sum.

Every rule is a backward rule, so that relevance is gradient times value at every site:

    R = x dF/dx   in the model with its layers' rules put in (`sonde.access.edits.relevance`), and in transformers
        a norm's scale held constant            (Ali et al. 2022)
        an activation as its input times a constant ratio       (the identity rule)
        a product of two factors giving half to each: a gated MLP's, attention's pattern times values, queries times keys
        the softmax by its own derivative, x_i (R_i - s_i sum_j R_j): AttnLRP (Achtibat et al. 2024); or the whole pattern held constant

With zero biases the values sum to F(x); what biases, epsilon and the softmax keep for themselves is the residual.
(Bach et al. 2015; Montavon et al. 2019.)
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn

from sonde.access import Detach, Edit, GradRule, Metric, Model
from sonde.access.architectures import Architecture
from sonde.access.edits.relevance import FrozenNorm, LayerRule, LayerRuleName, is_layer, is_norm
from sonde.access.inputs import Given
from sonde.attribution.question import answer, differentiate, summed
from sonde.attribution.results import Attribution
from sonde.results import InputError, SiteUnavailable
from sonde.tasks import Task

Attention = Literal["attnlrp", "frozen"]

_SMOOTH = ("gelu", "silu", "swish", "mish", "tanh", "elu", "softplus", "activation")  # in the names of classes of activations
_REFUSED = (nn.RNNBase, nn.MultiheadAttention, nn.Bilinear)


def lrp(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    rule: LayerRuleName = "epsilon",
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    alpha: float = 2.0,
    attention: Attention = "attnlrp",
    at: str | None = None,
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by sharing it out from layer to layer.

    Arguments:
        model: a network of linear layers, convolutions, activations, norms and poolings; or a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. A logit or a difference of logits: a probability is not shared out by these rules.
        rule: of the linear and convolutional layers: "epsilon", "gamma", "zplus" or "alpha-beta".
        epsilon: what keeps denominators away from zero.
        gamma: how much "gamma" favours what speaks for a neuron's sign.
        alpha: the share of what is positive under "alpha-beta"; what is negative gets alpha - 1.
        attention: "attnlrp": through pattern and values, half each; "frozen": the pattern is a constant, so that only what is moved counts, not why.
        at: the site; by default where the inputs enter.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values; their residual is what the rules did not hand on.

    Raises:
        InputError: a network that these rules do not cover, no metric, or inputs that do not fit. SiteUnavailable: attention that can't be recorded.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = lrp(model, sonde.tasks.counterfactuals("The keys on the cabinet", model).task())
    >>> result.method
    'LRP (AttnLRP)'
    """
    if attention not in ("attnlrp", "frozen"):
        raise InputError(f"attention={attention!r}: use 'attnlrp' or 'frozen'")
    rules = list(_rules(model, rule, epsilon, gamma, alpha, attention))
    question, slope = differentiate(model, task, of, at, bos, edits=rules)
    values = summed(question, slope * question.value)
    stacked = bool(_stacks(model))
    name = {"attnlrp": "AttnLRP", "frozen": "frozen pattern"}[attention]
    said = name + (f", {rule}" if rule != "epsilon" else "") if stacked else rule
    arguments = {"rule": rule, "epsilon": epsilon, "gamma": gamma, "alpha": alpha, "attention": attention, "at": at}
    return answer(question, f"LRP ({said})", values, "lrp", arguments, absent_metric=torch.zeros(len(question)))


def _rules(model: Model, rule: LayerRuleName, epsilon: float, gamma: float, alpha: float, attention: Attention) -> Iterator[Edit]:
    """Every backward rule, in the order of the modules."""
    stacks = _stacks(model)
    for stack in stacks:
        yield from _of_attention(model, stack, attention)
    within = tuple(f"{stack.blocks}." for stack in stacks)
    for path, module in model.module.named_modules():
        inside = path.startswith(within) if stacks else bool(path)
        if not stacks and isinstance(module, _REFUSED):
            raise InputError(f"{path or 'the module'!r} is a {type(module).__name__}, for which LRP has no rule here: use integrated gradients")
        if is_norm(module) and (inside or path in _norms(stacks)):
            yield FrozenNorm(f"{path}:out")
        elif inside and is_layer(module) and not (stacks and rule == "epsilon"):  # without epsilon the rule is the plain gradient
            yield LayerRule(f"{path}:out", rule, epsilon, gamma, alpha)
        elif inside and _is_smooth(module):
            yield GradRule(f"{path}:out", "identity")


def _of_attention(model: Model, stack: Architecture, attention: Attention) -> Iterator[Edit]:
    """The rules of the products of a stack."""
    for i in range(stack.n_layers):
        block = f"{stack.prefix}blocks.{i}."
        for site in ("attn.scores", "attn.z") if attention == "attnlrp" else ("attn.pattern",):
            if f"{block}{site}" not in model.architecture.sites:
                raise SiteUnavailable(f"LRP needs {block + site!r}: {stack.why_not(block + site) or 'this model has none'}")
            yield GradRule(f"{block}{site}", "half") if attention == "attnlrp" else Detach(f"{block}{site}")
        if f"{block}mlp.gate" in model.architecture.sites:
            yield GradRule(f"{block}mlp.post", "half")


def _stacks(model: Model) -> tuple[Architecture, ...]:
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
