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
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sonde.results import SiteUnavailable

NAME = "sonde_recording"
PORTS = ("q_rot", "k_rot", "scores", "pattern")

# A tap sees (attention module, port, value, for the pattern also the scores it comes from) and returns the value to go on with.
Tap = Callable[[nn.Module, str, Tensor, Tensor | None], Tensor]
_taps: ContextVar[tuple[Tap, ...]] = ContextVar("taps", default=())  # of the runs in progress in this thread, innermost last

_depth: ContextVar[int] = ContextVar("depth", default=0)  # of edits at work: a model may run inside an edit of another

_SOFTMAXES = {torch.nn.functional.softmax, torch.softmax, torch.Tensor.softmax}


class Kernel(Protocol):
    """How a family selects the function that computes attention."""

    @property
    def call(self) -> Mapping[str, Any]:
        """What a plain forward is called with."""
        ...

    @property
    def ports(self) -> tuple[str, ...]:
        """The stages of attention that it records."""
        ...

    def name(self, module: nn.Module) -> str:
        """The kernel in use, for `run.notes`."""
        ...

    def recording(self, module: nn.Module) -> contextlib.AbstractContextManager[None]:
        """Attention goes through `recording` inside this context, and as before after it."""
        ...


def _tapped(module: nn.Module, port: str, value: Tensor, scores: Tensor | None = None) -> Tensor:
    for tap in _taps.get():
        value = tap(module, port, value, scores)
    return value


@contextlib.contextmanager
def listening(tap: Tap) -> Iterator[None]:
    """Let `tap` see what the recording attention function computes, inside this context."""
    before = _taps.set((*_taps.get(), tap))
    try:
        yield
    finally:
        _taps.reset(before)


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """What is computed inside this context is no part of the model: a softmax of an edit's is not its attention."""
    before = _depth.set(_depth.get() + 1)
    try:
        yield
    finally:
        _depth.reset(before)


class _WatchSoftmax(TorchFunctionMode):
    """Taps the one softmax of an attention module, while it is between `enter` and `leave`."""

    def __init__(self) -> None:
        super().__init__()
        self.module: nn.Module | None = None

    def enter(self, module: nn.Module, *_: Any) -> None:
        self.module, self.seen, self.depth = module, 0, _depth.get()

    def leave(self, module: nn.Module, *_: Any) -> None:
        self.module = None
        if self.seen != 1:
            raise SiteUnavailable(
                f"{type(module).__name__} calls softmax {self.seen} times in its attention, so its scores and pattern can't be told apart"
            )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.module is None or func not in _SOFTMAXES or self.depth != _depth.get():
            return func(*args, **kwargs)
        self.seen += 1
        scores = _tapped(self.module, "scores", args[0])
        return _tapped(self.module, "pattern", func(scores, *args[1:], **kwargs), scores)


def recording(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """The family's own eager attention, watched. Query, key and value: b h p e."""
    eager = _eager(type(module))
    query, key = _tapped(module, "q_rot", query), _tapped(module, "k_rot", key)
    with _WatchSoftmax() as watch:
        watch.enter(module)
        out = eager(module, query, key, value, attention_mask, *args, **kwargs)
        watch.leave(module)
    return out


def _eager(attention: type[nn.Module]) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """The eager attention function of a family, which its modelling file keeps beside the attention class."""
    for cls in attention.__mro__:
        function: Callable[..., tuple[Tensor, Tensor | None]] | None = getattr(sys.modules[cls.__module__], "eager_attention_forward", None)
        if function is not None:
            return function
    raise SiteUnavailable(f"{attention.__name__} has no eager attention function beside it, so scores and patterns can't be recorded; use 'attn.z'")


def _refuse_foreign(kernel: str, known: tuple[str, ...]) -> None:
    if kernel not in known:
        raise SiteUnavailable(
            f"attention kernel {kernel!r} is not one that the family's eager attention is known to equal ({', '.join(known)}), so scores and "
            "patterns can't be recorded; select one of these, or use 'attn.z'"
        )


class TransformersKernel:
    """Families that look up their attention function in transformers' registry, by a name in their configuration."""

    call: Mapping[str, Any] = {"use_cache": False}
    ports = PORTS
    known = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")

    def name(self, module: nn.Module) -> str:
        name = str(getattr(module.config, "_attn_implementation", "eager"))
        return "eager" if name == NAME else name

    @contextlib.contextmanager
    def recording(self, module: nn.Module) -> Iterator[None]:
        from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        _refuse_foreign(self.name(module), self.known)
        if NAME not in ALL_ATTENTION_FUNCTIONS.valid_keys():
            ALL_ATTENTION_FUNCTIONS.register(NAME, recording)
            ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
        with _set(_configs(module), "_attn_implementation_internal", NAME):
            yield


class WatchedKernel:
    """Families that compute attention in their module's own forward: it is watched as it is, with its fused kernel off.

    What enters the softmax and what leaves it can be told there, rotated queries and keys can not.

    Arguments:
        attention: the paths of the attention modules.
        known: the kernels that the family's eager attention is known to equal.
    """

    call: Mapping[str, Any] = {"use_cache": False}
    ports = ("scores", "pattern")

    def __init__(self, attention: tuple[str, ...], known: tuple[str, ...] = ("eager", "sdpa")):
        self.attention, self.known = attention, known

    def name(self, module: nn.Module) -> str:
        return str(getattr(module.config, "_attn_implementation", "eager"))

    @contextlib.contextmanager
    def recording(self, module: nn.Module) -> Iterator[None]:
        _refuse_foreign(self.name(module), self.known)
        with _set(_configs(module), "_attn_implementation_internal", "eager"), _WatchSoftmax() as watch, contextlib.ExitStack() as stack:
            for path in self.attention:
                attention = module.get_submodule(path)
                stack.callback(attention.register_forward_pre_hook(watch.enter).remove)
                stack.callback(attention.register_forward_hook(watch.leave).remove)
            yield


class EncoderKernel(TransformersKernel):
    """The same in a model that writes no text, which knows no cache."""

    call: Mapping[str, Any] = {}


class NativeKernel:
    """`sonde.nn`: every attention module holds its kernel as an attribute."""

    call: Mapping[str, Any] = {}
    ports = PORTS
    known = ("eager", "sdpa")

    def name(self, module: nn.Module) -> str:
        kernels = {"eager" if m.kernel is recording else m.kernel.__name__.removesuffix("_attention_forward") for m in _holders(module)}
        return ", ".join(sorted(kernels)) or "none"

    @contextlib.contextmanager
    def recording(self, module: nn.Module) -> Iterator[None]:
        for kernel in self.name(module).split(", "):
            _refuse_foreign(kernel, self.known)
        with _set(_holders(module), "kernel", recording):
            yield


@contextlib.contextmanager
def _set(objects: list[Any], attribute: str, value: Any) -> Iterator[None]:
    """An attribute of some objects has this value inside this context, and its own one after it, whatever happens."""
    before = [getattr(one, attribute) for one in objects]
    try:
        for one in objects:
            setattr(one, attribute, value)
        yield
    finally:
        for one, own in zip(objects, before, strict=True):
            setattr(one, attribute, own)


def _configs(module: nn.Module) -> list[Any]:
    """Every configuration object once: two models may share one, and a submodule may have its own."""
    held: list[Any] = [getattr(m, "config", None) for m in module.modules()]
    return list({id(config): config for config in held if hasattr(config, "_attn_implementation_internal")}.values())


def _holders(module: nn.Module) -> list[Any]:
    return [m for m in module.modules() if hasattr(m, "kernel")]
