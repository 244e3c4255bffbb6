"""The unedited forward, kept so that others can begin in the middle of it.

What is kept, for every block that a cell may enter or pass: the hidden state that entered it, what else it was called with, and, where cells begin
right of the first column, the keys and values of its attention. The last come through the block's own cache argument, so they are what the
family itself would reuse.
"""

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sonde.access.outputs import unwrap
from sonde.access.tape import Stop

if TYPE_CHECKING:
    from sonde.access.model import Model

CACHE_NAMES = ("past_key_values", "layer_past")  # what blocks call their cache

KeysAndValues = tuple[Tensor, Tensor]  # b h p e each


class Cache:
    """A block's key-value cache, as transformers' attention modules use one.

    Arguments:
        before: keys and values of the columns that are not computed again.
        stop: end the computation once the new keys and values are there.
    """

    def __init__(self, before: KeysAndValues | None = None, stop: bool = False):
        self.before, self.stop = before, stop
        self.held: KeysAndValues | None = None

    def update(self, key: Tensor, value: Tensor, *_: Any, **__: Any) -> KeysAndValues:
        """All keys and values, those of this call last."""
        if self.before is not None:
            key, value = torch.cat([self.before[0], key], 2), torch.cat([self.before[1], value], 2)
        self.held = key, value
        if self.stop:
            raise Stop
        return key, value

    def get_seq_length(self, *_: Any) -> int:
        """How many columns came before."""
        return 0 if self.before is None else self.before[0].shape[2]


@dataclass
class Recorded:
    """What the blocks were called with in the unedited forward.

    Arguments:
        hidden: by block: the residual stream that entered it, b p d; under the number of blocks what left the last one.
        rest: by block: its other arguments, by name.
        cached: by block: its keys and values.
    """

    hidden: dict[int, Tensor] = field(default_factory=dict)
    rest: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    cached: dict[int, Cache] = field(default_factory=dict)

    def call(self, block: nn.Module, i: int, hidden: Tensor, times: int, columns: slice, cache: Cache | None, fused: bool) -> Tensor:
        """A block on `times` copies of the batch, for some of the columns.

        Arguments:
            block, i: the model's own block, and its number.
            hidden: the residual stream that enters it at these columns.
            times: how often the batch is repeated along the rows.
            columns: from which column to which; keys are those up to the last of them.
            cache: keys and values of the columns before; `None` where there are none.
            fused: a mask of `None` means causal, aligned to the first key.
        """
        batch, whole = hidden.shape[0] // times, self.hidden[i].shape[1]
        kwargs = {name: _stacked(value, batch, times, name) for name, value in self.rest[i].items()}
        if cache is not None:
            kwargs = {name: _cut(name, value, columns) for name, value in kwargs.items()}
            kwargs[cache_name(block)] = cache
            if fused and kwargs.get("attention_mask") is None and 1 < hidden.shape[1] < columns.stop:
                kwargs["attention_mask"] = _causal(columns, hidden)
        else:
            assert (columns.start, columns.stop) == (0, whole)
        return unwrap(block(hidden, **kwargs))

    def before(self, i: int, start: int, times: int) -> KeysAndValues | None:
        """Keys and values of the columns before `start`, for `times` copies of the batch."""
        if not start:
            return None
        held = self.cached[i].held
        assert held is not None
        key, value = (tensor[:, :, :start].repeat(times, 1, 1, 1) for tensor in held)
        return key, value


@contextlib.contextmanager
def recording(model: "Model", recorded: Recorded, first: int, entries: Sequence[int], keys: bool) -> Iterator[None]:
    """Keep what every block from `first` on is called with, the hidden states at the entries, and, if wanted, keys and values."""
    with contextlib.ExitStack() as stack:
        for i in range(first, model.n_layers):

            def entering(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], i: int = i) -> Any:
                given = _named(module, args, kwargs)
                hidden = given.pop(next(iter(given)))
                recorded.rest[i] = {name: value for name, value in given.items() if name not in CACHE_NAMES}
                recorded.hidden[i] = hidden.clone() if i in entries else hidden.new_empty(0, hidden.shape[1])
                if keys:
                    recorded.cached[i] = Cache()
                    return (hidden,), {**recorded.rest[i], cache_name(module): recorded.cached[i]}
                return None

            # before any other hook of the block: those are called again in the replay
            stack.callback(model.block(i).register_forward_pre_hook(entering, with_kwargs=True, prepend=True).remove)

        def leaving(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            recorded.hidden[model.n_layers] = unwrap(output).clone()

        stack.callback(model.block(model.n_layers - 1).register_forward_hook(leaving).remove)
        yield


def cache_name(block: nn.Module) -> str:
    """What a block calls its cache; empty where it takes none."""
    return next((name for name in CACHE_NAMES if name in _signature(block).parameters), "")


def _signature(block: nn.Module) -> inspect.Signature:
    """The arguments of the class's own forward, whatever wraps that of an object."""
    return inspect.signature(type(block).forward)


def sliceable(recorded: Recorded) -> str:
    """Why the blocks can't be called for a part of the columns: what stands in the way, or nothing."""
    for rest in recorded.rest.values():
        for name, value in rest.items():
            if not _known(name, value):
                return f"its blocks take {name!r}, of which sonde does not know what a part of the positions needs"
    return ""


def _known(name: str, value: Any) -> bool:
    if name == "attention_mask":
        return value is None or (isinstance(value, Tensor) and value.ndim == 4)
    if name in ("position_ids", "cache_position", "alibi") or name.startswith("position_embeddings"):
        return True
    return not _tensors(value)


def _tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = value.values()
    return isinstance(value, Tensor) or (isinstance(value, tuple | list | type({}.values())) and any(map(_tensors, value)))


def _cut(name: str, value: Any, columns: slice) -> Any:
    """An argument for a part of the queries; keys are those up to the last of them."""
    if isinstance(value, tuple):
        return tuple(_cut(name, one, columns) for one in value)
    if not isinstance(value, Tensor):
        return value
    if name == "attention_mask":
        return value[:, :, columns, : columns.stop]
    if name.startswith("position_embeddings"):
        return value[..., columns, :]
    return value[..., : columns.stop] if name == "alibi" else value[..., columns]


def _causal(columns: slice, hidden: Tensor) -> Tensor:
    """What hides later keys from the queries of these columns, added to their scores: 1 1 query key."""
    hides = torch.ones(columns.stop - columns.start, columns.stop, dtype=torch.bool, device=hidden.device).triu(columns.start + 1)
    return torch.zeros_like(hides, dtype=hidden.dtype).masked_fill(hides, torch.finfo(hidden.dtype).min)[None, None]


def _stacked(value: Any, batch: int, times: int, name: str = "") -> Any:
    """Repeat what belongs to the rows of the batch; what is shared by all rows (one row, or no row axis) stays as it is."""
    if isinstance(value, Tensor):
        of_rows = value.ndim > 1 and ((value.shape[0] == batch and batch > 1) or name == "alibi")
        return value.repeat(times, *[1] * (value.ndim - 1)) if of_rows else value
    if isinstance(value, tuple | list):
        return type(value)(_stacked(one, batch, times, name) for one in value)
    if isinstance(value, dict):
        return {key: _stacked(one, batch, times, str(key)) for key, one in value.items()}
    return value


def _named(block: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments by name, in the order of the signature."""
    bound = _signature(block).bind(block, *args, **kwargs)
    given = dict(list(bound.arguments.items())[1:])  # without the block itself
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given |= given.pop(name, {})
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL and given.pop(name, ()):
            raise TypeError(f"{type(block).__name__} was called with unnamed arguments")
    return given
