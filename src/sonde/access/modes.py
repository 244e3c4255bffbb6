"""What may be around or inside a network: wrappers, adapters, compiled code, quantised weights. Served, or refused by name; never guessed.

Adapters are modules like any other, so hooks see what they compute; which of them are active is part of the model's hash. Quantised layers are served
as modules too; what needs their weight as a plain matrix is not offered. Whatever runs other code than the modules' own, or copies them, is refused.
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from sonde.results import InputError

# by the name of the class, so that their libraries need not be there
WRAPPERS = {
    "DataParallel": "copies its module to several devices in every call; load the module inside it (.module)",
    "DistributedDataParallel": "synchronises the gradients of several processes; load the module inside it (.module)",
    "FullyShardedDataParallel": "spreads the weights over several processes; gather them, and load the whole module",
    "FSDPModule": "spreads the weights over several processes; gather them, and load the whole module",
    "DeepSpeedEngine": "may spread the weights over several processes; load the module inside it (.module)",
    "OptimizedModule": "is compiled, and compiled code passes by what reads and edits it; load the module inside it (._orig_mod)",
    "ScriptModule": "is compiled (TorchScript), and compiled code passes by what reads and edits it; load the module that it was made from",
}


def refuse(module: nn.Module) -> None:
    """Raise `InputError` where a module, or one inside it, runs in a way that reads and edits would miss.

    Arguments:
        module: what a user wants to open.
    """
    for path, m in module.named_modules():
        where = f"{path!r} in this module" if path else "this module"
        for name in (cls.__name__ for cls in type(m).__mro__):
            if name in WRAPPERS:
                raise InputError(f"{where} is a {name}, which {WRAPPERS[name]}")
        if m._compiled_call_impl is not None or hasattr(vars(m).get("forward"), "_torchdynamo_orig_callable"):
            raise InputError(f"{where} is compiled, and compiled code passes by what reads and edits it: load the module before torch.compile")
        for name, config in (getattr(m, "peft_config", None) or {}).items():
            if getattr(config, "is_prompt_learning", False):
                raise InputError(
                    f"{where} has the adapter {name!r}, which puts tokens of its own before the prompt: no position would mean what it says"
                )
    for name, weight in module.named_parameters():
        if weight.is_meta:
            raise InputError(f"the weight {name!r} is not in memory (it is on the meta device): load the whole model onto devices that hold it")
        if type(weight).__name__ == "DTensor" or type(weight.data).__name__ == "DTensor":
            raise InputError(f"the weight {name!r} is spread over several processes (DTensor): gather the weights, and load the whole module")


def adapters(module: nn.Module) -> list[list[Any]]:
    """What adapters do now, as plain data: which are active, switched off or merged, and how strong they are.

    Arguments:
        module: with or without adapters.
    """
    state = []
    for path, m in module.named_modules():
        active, off = getattr(m, "active_adapters", None), getattr(m, "disable_adapters", None)
        if isinstance(active, list) and isinstance(off, bool):  # a model of transformers has methods of these names
            scaling = sorted((str(name), float(by)) for name, by in getattr(m, "scaling", {}).items())
            state.append([path, active, off, bool(getattr(m, "merged", False)), scaling])
    return state


def stored(value: Any) -> Any:
    """What a state dictionary holds, as numbers that a hash can take: quantised tensors in their parts, settings as text.

    Arguments:
        value: a state dictionary, or an entry of one.
    """
    if isinstance(value, dict):
        return {str(name): stored(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return [stored(entry) for entry in value]
    if not isinstance(value, Tensor):
        return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
    if value.is_quantized:
        per_tensor = value.qscheme() == torch.per_tensor_affine
        scale = [value.q_scale(), value.q_zero_point()] if per_tensor else [value.q_per_channel_scales(), value.q_per_channel_zero_points()]
        return [value.int_repr(), scale]
    if is_plain(value):
        return value
    names, settings = value.__tensor_flatten__()  # type: ignore[attr-defined]
    return [type(value).__name__, repr(settings), *(stored(getattr(value, name)) for name in names)]


def is_plain(value: Tensor) -> bool:
    """Whether a tensor is its own numbers, not a subclass that makes them when they are used.

    Arguments:
        value: a weight, say.
    """
    return type(value) in (Tensor, nn.Parameter, nn.Buffer) and not value.is_quantized


def takes(module: nn.Module, path: str, argument: str) -> bool:
    """Whether a network's forward has an argument; a wrapper hands on what it does not know itself.

    Arguments:
        module: the network, maybe in a wrapper.
        path: of its stack of blocks.
        argument: its name.
    """
    parts = path.split(".")
    around = (module.get_submodule(".".join(parts[:depth])) for depth in range(len(parts)))
    return any(argument in inspect.signature(m.forward).parameters for m in around)


def recomputed() -> bool:
    """Whether this is called inside `torch.utils.checkpoint`, which computes activations again in the backward pass."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != torch.utils.checkpoint.__file__:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None


def without_derivative(value: Tensor) -> str | None:
    """The operation in a value's graph that torch can't differentiate and would take for a constant, if there is one.

    Arguments:
        value: of a metric, say.
    """
    return next((node.name() for node in _graph(value) if "NotImplemented" in node.name()), None)


def _graph(value: Tensor) -> Iterator[Any]:
    seen, left = set(), [value.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            left += [following for following, _ in node.next_functions]
