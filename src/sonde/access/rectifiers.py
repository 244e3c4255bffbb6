"""Another backward rule for every ReLU that a forward meets: modules, functions, methods of tensors, in place or not.

A ReLU need not be a module: `torch.relu(x)` and `x.relu_()` pass by what hangs on modules, and a rule that misses them gives the plain gradient
without a word. So ReLUs are told by the function that is called. What rectifies by other functions can't be told from what does not, and is
refused by name.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sonde.results import SiteUnavailable

RectifierRule = Literal["guided", "deconvnet"]

RELUS: set[Callable[..., Any]] = {functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
IN_PLACE: set[Callable[..., Any]] = {functional.relu_, torch.relu_, Tensor.relu_}
_OTHERS: dict[Callable[..., Any], str] = {
    function: function.__name__
    for function in (
        functional.gelu, functional.silu, functional.mish, functional.elu, functional.celu, functional.selu, functional.leaky_relu,
        functional.softplus, functional.hardswish, functional.hardtanh, functional.relu6, functional.prelu, functional.rrelu, functional.threshold,
        torch.clamp, torch.clamp_min, Tensor.clamp, Tensor.clamp_, Tensor.clamp_min, Tensor.clamp_min_, torch.prelu, torch.threshold,
    )
}  # fmt: skip


class RectifierMode(TorchFunctionMode):
    """Inside this context ReLUs give what they always do, and let gradients through by another rule.

    Arguments:
        rule: "guided": positive gradients where the input was positive (Springenberg et al. 2015); "deconvnet": positive gradients, whatever the
            input was (Zeiler and Fergus 2014).

    Raises:
        SiteUnavailable: a network that rectifies by other functions; on leaving, one that never called a ReLU.
    """

    def __init__(self, rule: RectifierRule) -> None:
        super().__init__()
        self.rule, self.seen = rule, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in RELUS:
            self.seen += 1
            x: Tensor = args[0] if args else kwargs["input"]
            inplace = func in IN_PLACE or kwargs.get("inplace", args[1] if len(args) > 1 else False)
            return _Rectified.apply(x, self.rule, bool(inplace))
        if func in _OTHERS:
            raise SiteUnavailable(f"{self.rule!r} is a rule for ReLUs, and this network calls {_OTHERS[func]}: use another method, such as LRP")
        return func(*args, **kwargs)

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)
        if exc_type is None and not self.seen:
            raise SiteUnavailable(f"{self.rule!r} is a rule for ReLUs, and this network calls none: use another method, such as LRP")


class _Rectified(torch.autograd.Function):
    """A ReLU with another way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: RectifierRule, inplace: bool) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward(x > 0)
        if inplace:
            ctx.mark_dirty(x)
            return x.clamp_(min=0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (positive,) = ctx.saved_tensors
        allowed = gradients[0].clamp(min=0)
        return allowed if ctx.rule == "deconvnet" else allowed * positive, None, None


__all__ = ["IN_PLACE", "RELUS", "RectifierMode", "RectifierRule"]
