"""The one recording attention function: scores, patterns and rotated queries and keys, read and written inside the family's own code.

Fused kernels never form the attention pattern. While such a site is asked for, and only then, the model's attention calls `recording`,
which runs the family's own eager function and watches its single softmax: the softmax's input is the scores, its output the pattern. So
soft-caps, sinks, masks and scaling stay the family's own. The kernel that was selected before is restored afterwards.

transformers asks a registry for the attention function and a second one for its mask; a function registered in the first alone receives no
mask and makes a causal model silently non-causal, hence both.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sonde.results import SiteUnavailable

NAME = "sonde_recording"
PORTS = ("q_rot", "k_rot", "scores", "pattern")

# A tap sees (attention module, port, value) and returns the value to go on with.
Tap = Callable[[nn.Module, str, Tensor], Tensor]
_taps: list[Tap] = []  # the taps of the runs in progress, innermost last; empty outside a run

_SOFTMAXES = {torch.nn.functional.softmax, torch.softmax, torch.Tensor.softmax}


class Kernel(Protocol):
    """How a family selects the function that computes attention."""

    @property
    def call(self) -> Mapping[str, Any]:
        """What a plain forward is called with."""
        ...

    def name(self, module: nn.Module) -> str:
        """The kernel in use, for `run.notes`."""
        ...

    def recording(self, module: nn.Module) -> contextlib.AbstractContextManager[None]:
        """Attention goes through `recording` inside this context, and as before after it."""
        ...


def _through_all(module: nn.Module, port: str, value: Tensor) -> Tensor:
    for tap in _taps:
        value = tap(module, port, value)
    return value


@contextlib.contextmanager
def listening(tap: Tap) -> Iterator[None]:
    """Let `tap` see what the recording attention function computes, inside this context."""
    _taps.append(tap)
    try:
        yield
    finally:
        _taps.remove(tap)


class _WatchSoftmax(TorchFunctionMode):
    def __init__(self, module: nn.Module, tap: Tap):
        super().__init__()
        self.module, self.tap, self.seen = module, tap, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _SOFTMAXES:
            return func(*args, **kwargs)
        self.seen += 1
        scores = self.tap(self.module, "scores", args[0])
        return self.tap(self.module, "pattern", func(scores, *args[1:], **kwargs))


def recording(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """The family's own eager attention, watched. Query, key and value: b h p e."""
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward")  # noqa: B009 (mypy)
    tap = _through_all
    query, key = tap(module, "q_rot", query), tap(module, "k_rot", key)
    with _WatchSoftmax(module, tap) as watch:
        out = eager(module, query, key, value, attention_mask, *args, **kwargs)
    if watch.seen != 1:
        raise SiteUnavailable(
            f"{type(module).__name__} calls softmax {watch.seen} times in its attention, so its scores and pattern can't be told apart"
        )
    return out


class TransformersKernel:
    """Families that look up their attention function in transformers' registry, by a name in their configuration."""

    call: Mapping[str, Any] = {"use_cache": False}

    def name(self, module: nn.Module) -> str:
        return str(getattr(module.config, "_attn_implementation", "eager"))

    @contextlib.contextmanager
    def recording(self, module: nn.Module) -> Iterator[None]:
        from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        if NAME not in ALL_ATTENTION_FUNCTIONS.valid_keys():
            ALL_ATTENTION_FUNCTIONS.register(NAME, recording)
            ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
        # every configuration object once: two models may share one, and a submodule may have its own
        configs = list(
            {id(m.config): m.config for m in module.modules() if hasattr(getattr(m, "config", None), "_attn_implementation_internal")}.values()
        )
        before = [config._attn_implementation_internal for config in configs]
        try:
            for config in configs:
                config._attn_implementation_internal = NAME
            yield
        finally:
            for config, kernel in zip(configs, before, strict=True):
                config._attn_implementation_internal = kernel


class NativeKernel:
    """`sonde.nn`: every attention module holds its kernel as an attribute."""

    call: Mapping[str, Any] = {}

    def name(self, module: nn.Module) -> str:
        kernels = {m.kernel.__name__.removesuffix("_attention_forward") for m in module.modules() if hasattr(m, "kernel")}
        return ", ".join(sorted(kernels)) or "none"

    @contextlib.contextmanager
    def recording(self, module: nn.Module) -> Iterator[None]:
        holders = [m for m in module.modules() if hasattr(m, "kernel")]
        before = [m.kernel for m in holders]
        try:
            for m in holders:
                m.kernel = recording  # type: ignore[assignment]
            yield
        finally:
            for m, kernel in zip(holders, before, strict=True):
                m.kernel = kernel
