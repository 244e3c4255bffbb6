"""Which layer feeds which, and whose channels does a layer read? Seen on the running network, not guessed from the order of its modules.

A layer's source is the module that returned the very tensor that the layer reads. Whose channels these are is followed through every function that
keeps channels (rectifiers, pooling, norms, padding): a concatenation puts the channels of its parts side by side, a sum lays them on one another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sonde.access import Model
from sonde.access.calls import Call, calls
from sonde.results import InputError
from sonde.vision.layers import fitting, site_of
from sonde.vision.linear import RECTIFIERS

_KEEPING = RECTIFIERS | {
    "batch_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "pad", "dropout", "dropout2d", "dropout_", "clone",
    "contiguous", "interpolate", "upsample", "sigmoid", "tanh", "to", "float", "group_norm", "instance_norm",
}  # fmt: skip
_RESHAPING = {"flatten", "mean", "squeeze", "view", "reshape", "unsqueeze", "sum"}
_SUMS = {"add", "add_", "__add__", "__iadd__", "__radd__", "sub", "__sub__"}
_JOINS = {"cat", "concat", "concatenate"}


@dataclass(frozen=True)
class Part:
    """Some channels in a row, and whose they are.

    Arguments:
        first, count: which channels.
        layers: the layers with weights that made them, each with the first of its own channels; several where they were added.
    """

    first: int
    count: int
    layers: tuple[tuple[str, int], ...]

    def said(self, of: str) -> str:
        """A few words.

        Arguments:
            of: whose channels these are.
        """
        last = self.first + self.count - 1
        which = f"channel {self.first}" if self.count == 1 else f"channels {self.first} to {last}"
        names = [path if not own else f"{path} from {own} on" for path, own in self.layers]
        return f"{which} of {of} {'is' if self.count == 1 else 'are'} {'the sum of ' if len(names) > 1 else ''}{' and '.join(names)}"


@dataclass(frozen=True, eq=False)
class Feeding:
    """What was seen of a network: the calls of its modules, and whose channels their tensors hold.

    Arguments:
        model: the network.
        calls: in order.
        parts: of tensors by identity, where they are known.
    """

    model: Model
    calls: tuple[Call, ...]
    parts: dict[int, tuple[Part, ...]]

    def source(self, layer: str) -> str:
        """The site that a layer reads: a module's output where one returned the very tensor, else the layer's own input.

        Arguments:
            layer: the path of a module with weights, or of one that works on what such a module returned, as a rectifier does.

        Raises:
            InputError: several layers with weights end there.
        """
        call = self._call(layer)
        if not any(True for _ in self.model.module.get_submodule(layer).parameters()):
            makers = sorted({path for part in self.of(call.gave) for path, _ in part.layers})
            if len(makers) != 1:
                several = f" by {', '.join(makers)}" if makers else ""
                raise InputError(f"{layer!r} holds no weights, and its channels are made{several or ' elsewhere'}: name the source layer, too")
            call = self._call(makers[0])
        if not call.read:
            raise InputError(f"{layer!r} reads no tensor: name the source layer, too")
        found = self.returned(call.read[0])
        return f"{found}:out" if found else f"{call.path}:in"

    def returned(self, value: Tensor) -> str | None:
        """The outermost module that returned a tensor; of several the last. `None` where none did."""
        paths = [call.path for call in self.calls if call.gave is value and call.path]
        return min(reversed(paths), key=lambda path: path.count("."), default=None)

    def readers(self, layer: str) -> list[str]:
        """The layers with weights that read the channels of a layer and of no other, or of it among others, next.

        Arguments:
            layer: the path of a module.
        """
        own = {path for part in self.of(self._call(layer).gave) for path, _ in part.layers}
        return [call.path for call in self._weighted() if call.path not in own and call.read and own & self._makers(call.read[0])]

    def of(self, value: Tensor | None) -> tuple[Part, ...]:
        """Whose channels a tensor holds; nothing where that is not known."""
        return () if value is None else self.parts.get(id(value), ())

    def at(self, site: str) -> tuple[Part, ...]:
        """Whose channels a site holds.

        Arguments:
            site: a module's input or output.
        """
        path, _, port = site.rpartition(":")
        call = next((call for call in self.calls if call.path == path), None)
        if call is None or port not in ("in", "out"):
            return ()
        return self.of(call.gave if port == "out" else next(iter(call.read), None))

    def _makers(self, value: Tensor) -> set[str]:
        return {path for part in self.of(value) for path, _ in part.layers}

    def _weighted(self) -> Iterator[Call]:
        for call in self.calls:
            if isinstance(self.model.module.get_submodule(call.path), nn.Conv2d | nn.Linear):
                yield call

    def _call(self, layer: str) -> Call:
        found = [call for call in self.calls if call.path == layer]
        if len(found) != 1:
            why = "is never called" if not found else f"runs {len(found)} times in a forward"
            raise InputError(f"{layer!r} {why}: name a module that runs once")
        return found[0]


def feeding(model: Model, size: int | tuple[int, int] | None = None) -> Feeding:
    """See which layer feeds which, on one blank picture.

    Arguments:
        model: a network of pictures.
        size: of the picture; as the network takes it, or 128, by default.

    >>> import sonde
    >>> feeding(sonde.load("specimen:digits")).source("blocks.1.conv")
    'blocks.0:out'
    """
    with _Following(model) as followed:
        seen = calls(model, blank(model, size))
    return Feeding(model, tuple(seen), {key: parts for key, (_, parts) in followed.held.items()})


def blank(model: Model, size: int | tuple[int, int] | None = None) -> Tensor:
    """A picture of zeros that a network takes.

    Arguments:
        model, size: as for `feeding`.
    """
    own, channels = fitting(model)
    size = own if size is None else size
    rows, cols = (size, size) if isinstance(size, int) else size
    return torch.zeros(1, channels, rows, cols, dtype=precision(model), device=model.device)


def precision(model: Model) -> torch.dtype:
    """The type of a network's numbers.

    Arguments:
        model: the network.
    """
    return next((one.dtype for one in model.module.parameters()), torch.float32)


def path_of(model: Model, layer: str) -> str:
    """The path of the module whose output a layer's name means.

    Arguments:
        model: the network.
        layer: a path, or a site.

    Raises:
        UnknownSite: no such place. InputError: no module's output.
    """
    site = site_of(model, layer)
    spec = model.locate(site)
    if spec.point.port != "out" or not spec.point.module:
        raise InputError(f"{layer!r} is no module's output: give the path of a module")
    return spec.point.module


class _Following(TorchFunctionMode):
    """Inside this context it is followed whose channels the tensors hold."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        weighted = ((path, one) for path, one in model.module.named_modules() if isinstance(one, nn.Conv2d | nn.Linear))
        self.paths = {id(one.weight): path for path, one in weighted}
        self.held: dict[int, tuple[Tensor, tuple[Part, ...]]] = {}  # the tensors, too: an address is another's as soon as one is gone

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if isinstance(output, Tensor) and output.ndim > 1:
            parts = self._parts(getattr(func, "__name__", ""), args, kwargs, output)
            if parts and sum(part.count for part in parts) == output.shape[1]:
                self.held[id(output)] = output, parts
            elif id(output) in self.held and output is not next(iter(args), None):
                del self.held[id(output)]
        return output

    def _parts(self, name: str, args: Any, kwargs: Any, output: Tensor) -> tuple[Part, ...]:
        first = args[0] if args else kwargs.get("input")
        if name in ("conv2d", "linear"):
            weight = args[1] if len(args) > 1 else kwargs.get("weight")
            path = self.paths.get(id(weight))
            return () if path is None or output.ndim == 3 else (Part(0, output.shape[1], ((path, 0),)),)
        if name in _JOINS and isinstance(first, tuple | list):
            dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
            return self._joined(first) if dim in (1, 1 - output.ndim) else ()
        if name in _SUMS and isinstance(first, Tensor):
            other = args[1] if len(args) > 1 else kwargs.get("other")
            return _added(self._own(first), self._own(other)) if isinstance(other, Tensor) and other.ndim > 1 else self._own(first)
        if name in _KEEPING or name in _RESHAPING:
            return self._own(first)
        return ()

    def _own(self, value: Any) -> tuple[Part, ...]:
        return self.held[id(value)][1] if isinstance(value, Tensor) and id(value) in self.held else ()

    def _joined(self, values: Sequence[Tensor]) -> tuple[Part, ...]:
        parts, first = [], 0
        for value in values:
            own = self._own(value)
            if not own:
                return ()
            parts += [Part(first + part.first, part.count, part.layers) for part in own]
            first += value.shape[1]
        return tuple(parts)


def _added(one: tuple[Part, ...], other: tuple[Part, ...]) -> tuple[Part, ...]:
    """Channels that lie on one another."""
    if not one or not other or sum(part.count for part in one) != sum(part.count for part in other):
        return ()
    starts = sorted({part.first for part in (*one, *other)})
    ends = [*starts[1:], one[-1].first + one[-1].count]
    return tuple(Part(start, end - start, (*_within(one, start), *_within(other, start))) for start, end in zip(starts, ends, strict=True))


def _within(parts: tuple[Part, ...], channel: int) -> tuple[tuple[str, int], ...]:
    part = next(part for part in parts if part.first <= channel < part.first + part.count)
    return tuple((path, own + channel - part.first) for path, own in part.layers)
