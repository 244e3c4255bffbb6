"""ReLUs that let a picture out of a dead start: where no gradient passes one for a picture, what would push its inputs up passes anyway.

    g_in = [x > 0] g      unless that is zero throughout for the picture; then  g_in = [x > 0] g + [x <= 0] max(g, 0)

(lucid, `redirected_relu_grad`; used for the first steps only, because the gradient is then no gradient.) ReLUs are told by the function that is
called, so functional and in-place ones count, too; a network without any is not changed.
"""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sonde.access.rectifiers import IN_PLACE, RELUS


class Redirected(TorchFunctionMode):
    """Inside this context ReLUs give what they always do, and their gradients are redirected where a picture gets none."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in RELUS:
            return func(*args, **kwargs)
        x: Tensor = args[0] if args else kwargs["input"]
        inplace = func in IN_PLACE or kwargs.get("inplace", args[1] if len(args) > 1 else False)
        return _Redirected.apply(x, bool(inplace))


class _Redirected(torch.autograd.Function):
    """A ReLU with another way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inplace: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(x)
        rectified = x.clamp_(min=0) if inplace else x.clamp(min=0)
        ctx.save_for_backward(rectified)
        return rectified

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rectified,) = ctx.saved_tensors
        plain = torch.ops.aten.threshold_backward(gradients[0], rectified, 0)
        alive = plain.any(tuple(range(1, plain.ndim)))
        if alive.all():  # nearly always: a start is seldom dead
            return plain, None
        dead = ~alive.view(-1, *[1] * (plain.ndim - 1))
        return torch.where(dead & (rectified <= 0), gradients[0].clamp(min=0), plain), None
