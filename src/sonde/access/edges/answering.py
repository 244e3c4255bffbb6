"""A module whose output is known is not computed: it answers with what is known, in the form in which it answers otherwise."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from sonde.access.outputs import rewrap

if TYPE_CHECKING:
    from sonde.access.model import Model


class Attentions:
    """The attention modules of a model, by block, where they give `attn.out` themselves: with any norm or scale that follows them.

    Arguments:
        model: the model.
    """

    def __init__(self, model: "Model"):
        self._modules: dict[int, nn.Module] = {}
        self._answers: dict[int, Any] = {}
        for i in range(model.n_layers):
            out, mixed = (model.locate(f"blocks.{i}.attn.{name}").point for name in ("out", "z"))
            if out.port == "out" and not out.item and mixed.module.startswith(f"{out.module}."):
                self._modules[i] = model.module.get_submodule(out.module)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside this context the form of every module's output is kept."""
        with contextlib.ExitStack() as stack:
            for i, module in self._modules.items():

                def answered(module: nn.Module, args: tuple[Any, ...], output: Any, i: int = i) -> None:
                    self._answers[i] = output

                stack.callback(module.register_forward_hook(answered).remove)
            yield

    def __contains__(self, layer: int) -> bool:
        return layer in self._answers

    @contextlib.contextmanager
    def answering(self, layer: int, value: Tensor) -> Iterator[None]:
        """Inside this context a block's attention gives a value, and computes nothing.

        Arguments:
            layer: the block.
            value: b p d.
        """
        module, answer = self._modules[layer], rewrap(self._answers[layer], value)
        own = module.__dict__.get("forward")
        module.forward = lambda *_, **__: answer
        try:
            yield
        finally:
            del module.forward
            if own is not None:
                module.forward = own
