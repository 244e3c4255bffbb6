"""A module whose output is known is not computed: it answers with what is known, in the form in which it answers otherwise."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from sonde.access.outputs import rewrap, unwrap

if TYPE_CHECKING:
    from sonde.access.model import Model


class Answers:
    """What some modules of a model gave in one forward, and the means to have them give something else without computing.

    Arguments:
        module: the model's.
        paths: of the modules.
    """

    def __init__(self, module: nn.Module, paths: Iterable[str]):
        self._modules = {path: module.get_submodule(path) for path in paths}
        self._given: dict[str, Any] = {}

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside this context what each module gives is kept."""
        with contextlib.ExitStack() as stack:
            for path, module in self._modules.items():

                def answered(module: nn.Module, args: tuple[Any, ...], output: Any, path: str = path) -> None:
                    self._given[path] = output

                stack.callback(module.register_forward_hook(answered).remove)
            yield

    def __contains__(self, path: str) -> bool:
        return path in self._given

    def __getitem__(self, path: str) -> Tensor:
        return unwrap(self._given[path], path)

    @contextlib.contextmanager
    def answering(self, values: dict[str, Tensor]) -> Iterator[None]:
        """Inside this context some modules give these values; their hooks are called as ever.

        Arguments:
            values: by path.
        """
        with contextlib.ExitStack() as stack:
            for path, value in values.items():
                stack.enter_context(_answering(self._modules[path], rewrap(self._given[path], value)))
            yield


@contextlib.contextmanager
def _answering(module: nn.Module, answer: Any) -> Iterator[None]:
    own = module.__dict__.get("forward")
    module.forward = lambda *_, **__: answer
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def attention(model: "Model", layer: int) -> str:
    """The path of the module that gives a block's `attn.out`, with all of its attention inside; empty where a norm or a scale follows that.

    Arguments:
        model: the model.
        layer: the block.
    """
    out, mixed = (model.locate(f"blocks.{layer}.attn.{name}").point for name in ("out", "z"))
    whole = out.port == "out" and not out.item and mixed.module.startswith(f"{out.module}.")
    return out.module if whole else ""


def projections(model: "Model", layer: int) -> list[str]:
    """The paths of the modules that make a block's queries, keys and values.

    Arguments:
        model: the model.
        layer: the block.
    """
    points = [model.locate(f"blocks.{layer}.attn.{name}").point for name in ("q", "k", "v")]
    return list(dict.fromkeys(point.module for point in points if point.port == "out" and not point.item))
