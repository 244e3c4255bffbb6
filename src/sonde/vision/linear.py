"""A network of pictures as the linear map that its weights make: what lies between two layers, with every non-linearity taken as the identity.

Inside `Linear` the model's own forward runs on, and of the functions that it calls on what depends on one of its layers

    rectifiers give what they are given;   largest of a window -> mean of the window;   convolutions, batch norms, means, sums, reshapes: as they are

so that a derivative is the composition of all weights on the way, through strides, padding, residual sums and concatenations alike (Cammarata et al.
2020, "Visualizing Weights": expanded weights). Everything else (a softmax, attention, a norm of the picture's own statistics, a product of two
activations) is noted, and refused by name if it lies on the way: it has no weights that a picture does not make.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Function = Callable[..., Any]

RECTIFIERS = {
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "rrelu_", "elu", "elu_", "celu", "celu_", "selu", "selu_", "gelu",
    "silu", "mish", "softplus", "hardswish", "hardtanh", "hardtanh_", "threshold", "threshold_", "clamp", "clamp_", "clamp_min", "clamp_min_",
}  # fmt: skip
_SAME = {"dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "feature_dropout"}
_PLAIN = {
    "conv2d", "linear", "avg_pool2d", "adaptive_avg_pool2d", "pad", "cat", "concat", "concatenate", "stack", "hstack", "vstack", "neg", "mean",
    "sum", "flatten", "unflatten", "reshape", "reshape_as", "view", "view_as", "permute", "transpose", "swapaxes", "swapdims", "movedim", "squeeze",
    "squeeze_", "unsqueeze", "unsqueeze_", "expand", "expand_as", "contiguous", "clone", "to", "type", "type_as", "float", "double",
    "__getitem__", "select", "narrow", "index_select", "chunk", "split", "split_with_sizes", "tensor_split", "unbind", "roll", "flip",
    "pixel_unshuffle", "pixel_shuffle", "channel_shuffle", "native_channel_shuffle", "as_tensor", "requires_grad_", "repeat", "t", "unfold",
}  # fmt: skip
_SUMS = {"add", "add_", "sub", "sub_", "subtract", "rsub", "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "__isub__"}
_PRODUCTS = {
    "mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "einsum", "addmm", "baddbmm",
}  # fmt: skip
_QUOTIENTS = {"div", "div_", "true_divide", "divide", "__div__", "__idiv__", "__truediv__", "__itruediv__"}
_ATTRIBUTES = {Tensor.T.__get__, Tensor.mT.__get__}  # type: ignore[attr-defined]


class Linear(TorchFunctionMode):
    """Inside this context what depends on a variable of the graph is computed as a linear map; what is not one is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: dict[str, int] = {}  # what was taken as linear and is not, with the number of calls
        self._refused: list[tuple[str, Any]] = []

    def __torch_function__(self, func: Function, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        count = sum(one.requires_grad for one in _tensors((args, kwargs)))
        if not count or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        name = getattr(func, "__name__", str(func))
        x = args[0] if args else kwargs.get("input")
        if name in RECTIFIERS and isinstance(x, Tensor):
            return self._noted(f"{name.rstrip('_')} as the identity", x)
        if name in _SAME:
            return x
        if name == "max_pool2d":
            return self._pooled(func, args, kwargs)
        if "adaptive_max_pool2d" in name:
            size, indices = (_given(args, kwargs, i, one, None) for i, one in ((1, "output_size"), (2, "return_indices")))
            if not indices:
                return self._noted("the largest of each part as its mean", functional.adaptive_avg_pool2d(x, size))
        output = func(*args, **kwargs)
        if not self._is_linear(func, name, args, kwargs, count):
            for one in _tensors(output):
                if one.requires_grad:
                    self._refused.append((_told(name), one.grad_fn))
        return output

    def refused(self, value: Tensor) -> list[str]:
        """What lies between the variable and a value and is no linear map, by name.

        Arguments:
            value: a part of the graph.
        """
        wanted = {id(node): name for name, node in self._refused}
        found = {wanted[id(node)]: None for node in _before(value.grad_fn) if id(node) in wanted}
        return list(found)

    def _is_linear(self, func: Function, name: str, args: Any, kwargs: Any, count: int) -> bool:
        if name in _PLAIN or name in _SUMS or func in _ATTRIBUTES:
            return name not in ("conv2d", "linear") or count == 1
        if name in _PRODUCTS:
            return count == 1
        if name in _QUOTIENTS:
            return count == 1 and isinstance(args[0], Tensor) and args[0].requires_grad and _given(args, kwargs, 99, "rounding_mode", None) is None
        if name == "batch_norm":
            return not _given(args, kwargs, 5, "training", False)
        return False

    def _pooled(self, func: Function, args: Any, kwargs: Any) -> Any:
        names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if given.get("return_indices") or given.get("dilation", 1) not in (1, (1, 1), [1, 1]):
            output = func(*args, **kwargs)
            self._refused += [("max_pool2d, dilated or with indices", one.grad_fn) for one in _tensors(output) if one.requires_grad]
            return output
        means = functional.avg_pool2d(
            given["input"], given["kernel_size"], given.get("stride") or None, given.get("padding", 0), bool(given.get("ceil_mode", False)), False
        )
        return self._noted("the largest of a window as the window's mean", means)

    def _noted(self, words: str, value: Tensor) -> Tensor:
        self.passed[words] = self.passed.get(words, 0) + 1
        return value


def _told(name: str) -> str:
    """What is no linear map, in words."""
    if name in _PRODUCTS:
        return "a product of two activations"
    if name in _QUOTIENTS or name in ("__rdiv__", "__rtruediv__", "reciprocal"):
        return "a division by an activation"
    return "a batch norm by its own batch" if name == "batch_norm" else name


def _given(args: Any, kwargs: Any, place: int, name: str, default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)


def _before(node: Any) -> Iterator[Any]:
    """Every operation on which a node of the graph depends, and itself."""
    seen, left = set(), [node]
    while left:
        one = left.pop()
        if one is None or one in seen:
            continue
        seen.add(one)
        yield one
        left += [before for before, _ in one.next_functions]
