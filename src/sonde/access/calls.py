"""Which modules does a forward call, and with which tensors? Two modules are connected where the very tensor that one returned enters the other.

The order in which modules are listed says nothing of who reads whom: a residual sum, a concatenation or a branch is code, not structure.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sonde.access.forward import evaluation
from sonde.access.inputs import Given
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.access.model import Model


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a module.

    Arguments:
        path: of the module.
        read: the tensors that it was given, in order.
        gave: the first tensor that it returned; `None` where there is none.
    """

    path: str
    read: tuple[Tensor, ...]
    gave: Tensor | None


def calls(model: "Model", inputs: Given) -> list[Call]:
    """Every call of a module in one forward, in the order in which the calls end: a module comes after its parts.

    The tensors are those of the forward itself, so that they can be told apart by identity; one that was overwritten in place holds its last value.

    Arguments:
        model: the handle.
        inputs: as for `Model.run`.

    Raises:
        InputError: inputs that the module can't take.

    >>> import sonde
    >>> found = calls(sonde.load("specimen:digits"), torch.zeros(1, 1, 8, 8))
    >>> by = {call.path: call for call in found}
    >>> by["blocks.1.conv"].read[0] is by["blocks.0"].gave
    True
    """
    found: list[Call] = []

    def noted(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            gave = next(iter(_within(output)), None)
            found.append(Call(path, tuple(_within((args, kwargs))), gave))

        return hook

    given = model.prepare(inputs).fresh()
    with ExitStack() as hooks, evaluation(model.module), torch.no_grad():
        for path, module in model.module.named_modules():
            hooks.callback(module.register_forward_hook(noted(path), with_kwargs=True).remove)
        try:
            model.module(*given.args, **{**model.architecture.call, **given.kwargs})
        except (RuntimeError, TypeError, ValueError) as error:  # the module says itself what it can't take, in the words of its own code
            raise InputError(f"{model.name} can't take these inputs: {shown(str(error), limit=200)}") from error
    return found


def _within(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [one for part in parts for one in _within(part)]
