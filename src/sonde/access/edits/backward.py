"""Edits of the way back: values stay as they are, bit for bit, and gradients change.

A gradient through a model with some of its parts held constant is that of a simpler model: with every norm's scale and attention pattern frozen and
every activation replaced by its ratio of output to input, the model is linear, and gradient times input adds up to the output (Ali et al. 2022,
Achtibat et al. 2024).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sonde.access.edits.base import Place, SiteEdit
from sonde.access.selection import take
from sonde.access.sites import Site
from sonde.results import EditError

Rule = Literal["identity", "guided", "half"] | Callable[[Tensor], Tensor]


class Backward(SiteEdit):
    """Base of the edits that change gradients and nothing else."""


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Detach(Backward):
    """Let no gradient through the site: whatever depends on it takes it for a constant.

    Arguments:
        site: where; `blocks.0.attn.norm.scale` freezes a norm, `blocks.0.attn.pattern` attention.

    >>> Detach("blocks.0.attn.pattern")
    Detach('blocks.0.attn.pattern')
    """

    def new(self, old: Tensor) -> Tensor:
        return old.detach()


@dataclass(frozen=True, eq=False, repr=False, init=False)
class GradRule(Backward):
    """Another backward rule: the gradient that reaches the site goes on changed.

    Arguments:
        site: where.
        rule: a function from the gradient with respect to the selected part to the one that goes on; or the name of a rule:
            "identity", at the output of an activation: the output is taken for its input times a frozen ratio (LRP's identity rule);
            "guided", at the output of a ReLU: negative gradients do not go on (guided backpropagation);
            "half", at the product of two factors, such as a gated MLP's neurons: each factor gets half of its gradient.

    Raises:
        EditError: a name that is no rule; in a run: a rule that the site's module does not admit, or a function that returns something else than a
            gradient of the same shape.

    >>> GradRule("transformer.h.0.mlp.act:out", "identity")
    GradRule('transformer.h.0.mlp.act:out', rule='identity')
    """

    rule: Rule

    def __init__(self, site: str | Site, rule: Rule) -> None:
        super().__init__(site)
        object.__setattr__(self, "rule", rule)
        if rule not in ("identity", "guided", "half") and not callable(rule):
            raise EditError(f"{self}: a rule is 'identity', 'guided', 'half', or a function of the gradient")

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The old value under the rule."""
        if not old.is_floating_point():
            raise EditError(f"{self}: the site holds whole numbers ({old.dtype}), which have no gradient")
        if self.rule == "identity":
            return self._by_ratio(old, place)
        if self.rule == "guided":
            if not isinstance(place.module, nn.ReLU) or not self.site.name.endswith(":out"):
                raise EditError(f"{self}: guided backpropagation needs the output of an nn.ReLU, and here is {_described(place)}; {_BY_PATH}")
            return _ruled(old, lambda gradient: gradient.clamp(min=0))
        if self.rule == "half":
            return _ruled(old, lambda gradient: gradient / 2)
        return _ruled(old, self._own)

    def _own(self, gradient: Tensor) -> Tensor:
        assert callable(self.rule)
        changed = self.rule(gradient)
        if not isinstance(changed, Tensor) or changed.shape != gradient.shape or changed.dtype != gradient.dtype:
            got = f"{changed.dtype} {tuple(changed.shape)}" if isinstance(changed, Tensor) else type(changed).__name__
            raise EditError(f"{self}: the rule must return a gradient of {gradient.dtype} {tuple(gradient.shape)}, and returned {got}")
        return changed

    def _by_ratio(self, old: Tensor, place: Place) -> Tensor:
        """The output as its input times the ratio that they have here."""
        entering, raw = place.entering, place.raw
        if not self.site.name.endswith(":out") or entering is None or raw is None or entering.shape != raw.shape:
            raise EditError(f"{self}: the identity rule needs the output of an activation module, and here is {_described(place)}; {_BY_PATH}")
        if entering.data_ptr() == raw.data_ptr():
            raise EditError(f"{self}: {_described(place)} writes over its input, so their ratio is lost; build it with inplace=False")
        if not _elementwise(place.module, entering, raw):
            raise EditError(f"{self}: {_described(place)} does not work entry by entry, so its output is not its input times a ratio")
        x, value = take(entering, place.resolved), old.detach()
        nothing = (x == 0) & (value == 0)
        ratio = (value / x.detach()).masked_fill(nothing, 0)
        if not ratio.isfinite().all():
            raise EditError(f"{self}: {_described(place)} gives something for nothing: where its input is 0 its output is not, so there is no ratio")
        return value + (x - x.detach()) * ratio


class _Ruled(torch.autograd.Function):
    """The value unchanged; its gradient as a function of the gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, rule: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.rule = rule
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.rule(gradients[0]), None


def _ruled(value: Tensor, rule: Callable[[Tensor], Tensor]) -> Tensor:
    ruled: Tensor = _Ruled.apply(value, rule)
    return ruled


def _elementwise(module: nn.Module, entering: Tensor, raw: Tensor) -> bool:
    """Whether the module gives every entry for itself: its entries in another order give the same outputs in that order."""
    try:
        with torch.no_grad():
            backwards = type(module).forward(module, entering.flatten().flip(0))  # not the module itself, whose hooks would fire again
    except (RuntimeError, ValueError, IndexError, TypeError):  # it needs the axes that were given up
        return False
    if not isinstance(backwards, Tensor) or backwards.shape != (raw.numel(),):
        return False
    return torch.allclose(backwards.flip(0).view(raw.shape), raw, rtol=10 * torch.finfo(raw.dtype).eps, atol=1e-6)


def _described(place: Place) -> str:
    return f"a {type(place.module).__name__}"


_BY_PATH = "name an activation module by its path, such as 'transformer.h.0.mlp.act:out'"
