"""What does each unit of a layer read from each channel before it? The layer's weights as small maps, slices W[out, in] of kh x kw.

A batch norm that reads the layer's output, and alone does, is folded into them (Ioffe and Szegedy 2015):

    W' = W gamma / sqrt(var + eps),    b' = (b - mean) gamma / sqrt(var + eps) + beta

Which norm that is, is seen while the network runs: the one that is given the very tensor that the layer returned. Channels that a group does not read
have zeros; dilated filters have zeros between their entries; a linear layer is a filter of 1 x 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sonde.access import Model
from sonde.results import InputError, SiteUnavailable
from sonde.vision.feeding import blank
from sonde.vision.layers import site_of

CONVOLUTIONS: set[Callable[..., Any]] = {functional.conv2d, torch.conv2d, functional.linear, torch._C._nn.linear}
NORMS: set[Callable[..., Any]] = {functional.batch_norm, torch.batch_norm}


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A layer's weights as they act.

    Arguments:
        layer: the path of its module.
        weight: what every unit reads from every channel.
        bias: of every unit.
        stride, padding: of the layer, as its module says them.
        folded: the batch norm that was folded in, by its path; empty where there is none.
        notes: what was decided on the way.
    """

    layer: str
    weight: Float[Tensor, "out in row col"]
    bias: Float[Tensor, " out"]
    stride: tuple[int, int]
    padding: tuple[int, int] | str
    folded: str
    notes: tuple[str, ...] = ()


def slices(model: Model, layer: str) -> Float[Tensor, "out in row col"]:
    """The weights of a convolution or a linear layer, every unit's slice of every channel, with the batch norm that follows folded in.

    Arguments:
        model: a network of pictures.
        layer: the path of the module.

    Raises:
        InputError: no convolution over rows and columns, and no linear layer.
        UnknownSite: no such module.

    >>> import sonde
    >>> slices(sonde.load("specimen:digits"), "blocks.1.conv").shape
    torch.Size([32, 16, 3, 3])
    """
    return layer_weights(model, layer).weight


def layer_weights(model: Model, layer: str) -> LayerWeights:
    """The weights of a layer as `slices` gives them, with the bias, the stride, and what was folded.

    Arguments:
        model, layer: as for `slices`.
    """
    path = layer.removesuffix(":out")
    model.locate(site_of(model, path) if path != layer else site_of(model, layer))
    module = dict(model.module.named_modules()).get(path)
    if not isinstance(module, nn.Conv2d | nn.Linear) or isinstance(module, nn.ConvTranspose2d):
        what = f"a {type(module).__name__}" if module is not None else "no module"
        inside = [f"{path}.{name}" for name, one in ([] if module is None else module.named_modules()) if isinstance(one, nn.Conv2d | nn.Linear)]
        way = f"; it holds {', '.join(inside[:4])}{' and others' if len(inside) > 4 else ''}" if inside else ""
        raise InputError(f"{layer!r} is {what}: slices are of a convolution over rows and columns, or of a linear layer{way}")
    norm, notes = _following(model, path, module)
    weight, bias = spread(module), torch.zeros(len(module.weight)) if module.bias is None else module.bias.detach().cpu()
    if norm is not None:
        share = (torch.ones_like(norm.var) if norm.weight is None else norm.weight) * (norm.var + norm.eps).rsqrt()
        shift = torch.zeros_like(norm.mean) if norm.bias is None else norm.bias
        weight, bias = weight * share[:, None, None, None], (bias - norm.mean) * share + shift
    stride, padding = ((1, 1), (0, 0)) if isinstance(module, nn.Linear) else (_both(module.stride), module.padding)
    padding = padding if isinstance(padding, str) else _both(padding)
    return LayerWeights(path, weight, bias, stride, padding, "" if norm is None else norm.path, notes)


def spread(module: nn.Conv2d | nn.Linear) -> Float[Tensor, "out in row col"]:
    """The weights of a layer with groups and dilation spread out.

    Arguments:
        module: the layer.

    >>> spread(nn.Conv2d(4, 4, 3, groups=4, dilation=2)).shape
    torch.Size([4, 4, 5, 5])
    """
    own = module.weight.detach().cpu()
    if isinstance(module, nn.Linear):
        return own[:, :, None, None].clone()
    (kh, kw), (dh, dw), groups = module.kernel_size, module.dilation, module.groups
    out, each = len(own), own.shape[1]
    whole = own.new_zeros(out, module.in_channels, dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    for group in range(groups):
        units = slice(group * out // groups, (group + 1) * out // groups)
        whole[units, group * each : (group + 1) * each, ::dh, ::dw] = own[units]
    return whole


def norm_after(model: Model, path: str) -> str:
    """The path of the batch norm that alone reads what a layer returned; empty where there is none, or one that is no module.

    Arguments:
        model: a network of pictures.
        path: of the layer's module.
    """
    module = model.module.get_submodule(path)
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return ""
    norm, _ = _following(model, path, module)
    return norm.path if norm is not None and norm.path in dict(model.module.named_modules()) else ""


@dataclass(frozen=True, eq=False)
class _Norm:
    """A batch norm as it was called."""

    path: str
    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    var: Tensor
    eps: float


class _Readers(TorchFunctionMode):
    """Inside this context it is noted which functions read what a layer returned."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.returned, self.calls = weight, None, 0
        self.norms: list[tuple[Any, dict[str, Any]]] = []
        self.others: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func in CONVOLUTIONS and (args[1] if len(args) > 1 else kwargs.get("weight")) is self.weight:
            self.returned, self.calls = output, self.calls + 1
        elif self.returned is not None and any(one is self.returned for one in (*args, *kwargs.values())):
            if func in NORMS:
                self.norms.append((args, kwargs))
            elif _holds(output):
                self.others.append(getattr(func, "__name__", str(func)))
        return output


def _following(model: Model, path: str, module: nn.Conv2d | nn.Linear) -> tuple[_Norm | None, tuple[str, ...]]:
    """The batch norm that alone reads what a layer returned, and what is to be said."""
    with _Readers(module.weight) as seen:
        model.run(blank(model))
    if seen.calls != 1:
        never = "the model never calls it, or makes its weights anew in each call"
        why = never if not seen.calls else f"its weights are used {seen.calls} times in a forward"
        raise SiteUnavailable(f"{path!r} has no slices of its own: {why}")
    if not seen.norms:
        return None, ()
    args, kwargs = seen.norms[0]
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    mean, var = given.get("running_mean"), given.get("running_var")
    name = next(
        (name for name, one in model.module.named_modules() if mean is not None and getattr(one, "running_mean", None) is mean), "a batch norm"
    )
    if seen.others or len(seen.norms) > 1:
        others = ", ".join(dict.fromkeys(seen.others)) or "another norm"
        return None, (f"{name} follows and was not folded in: what {path} returns is read by {others}, too",)
    if mean is None or var is None or given.get("training"):
        return None, (f"a batch norm follows {path} that has no stored statistics: it was not folded in",)
    weight, bias = (None if given.get(one) is None else given[one].detach().cpu() for one in ("weight", "bias"))
    norm = _Norm(name, weight, bias, mean.detach().cpu(), var.detach().cpu(), float(given.get("eps", 1e-5)))
    return norm, (f"{name} was folded into the weights",)


def _both(sizes: tuple[int, ...]) -> tuple[int, int]:
    return sizes[0], sizes[1]


def _holds(output: Any) -> bool:
    return isinstance(output, Tensor) or (isinstance(output, tuple | list) and any(isinstance(one, Tensor) for one in output))
