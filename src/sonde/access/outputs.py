"""Where tensors are in what modules take and return: by themselves, in tuples, mappings and dataclasses, nested as they like.

An item is the way to a tensor in there, as in `lstm:out.1.0`: places in a tuple, keys of a mapping, fields of a dataclass. Without one the first
tensor is meant, as long as nothing before it could be meant too.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from sonde.results import SiteUnavailable, UnknownSite


def unwrap(output: Any, path: str = "", item: str = "") -> Tensor:
    """The tensor of a module's output: itself, the logits of a model's output, the first of a tuple or mapping, or the one that the item names."""
    found: Tensor = _pick(output, _place(output, f"{path}:out", item))
    return found


def rewrap(output: Any, new: Tensor, item: str = "") -> Any:
    """The output with its tensor (the one that `unwrap` gives) replaced, everything else kept."""
    return _replace(output, _place(output, "", item), new)


def entering(args: tuple[Any, ...], kwargs: Mapping[str, Any], path: str = "", item: str = "") -> Tensor:
    """The first tensor among a module's arguments, or the one that the item names: by its place or its keyword."""
    given = _arguments(args, kwargs)
    found: Tensor = _pick(given, _first(given, f"{path}:in") if not item else _place(given, f"{path}:in", item))
    return found


def reenter(args: tuple[Any, ...], kwargs: Mapping[str, Any], new: Tensor, item: str = "") -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with one tensor (the one that `entering` gives) replaced."""
    given = _arguments(args, kwargs)
    changed = _replace(given, _first(given, "") if not item else _place(given, "", item), new)
    return tuple(changed[str(i)] for i in range(len(args))), {name: changed[name] for name in kwargs}


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**{str(i): value for i, value in enumerate(args)}, **kwargs}


def _place(value: Any, site: str, item: str) -> tuple[str, ...]:
    """The steps to the tensor that is meant."""
    if item:
        steps = tuple(item.split("."))
        if steps not in dict(_tensors(value, site)):
            raise UnknownSite(f"'{site}.{item}' is no tensor here; {_offer(value, site)}")
        return steps
    if isinstance(value, Tensor):
        return ()
    if isinstance(value, Mapping) and isinstance(value.get("logits"), Tensor):
        return ("logits",)
    return _first(value, site)


def _first(value: Any, site: str) -> tuple[str, ...]:
    """The steps to the first tensor, which must not lie behind other tensors that are nested deeper."""
    steps = next((steps for steps, _ in _tensors(value, site)), None)
    if steps is None and site.endswith(":in"):
        raise SiteUnavailable(f"no tensor enters the module {site.rpartition(':')[0]!r}; name its output or another module")
    if steps is None:
        kind = type(value).__name__
        raise SiteUnavailable(f"the module {site.rpartition(':')[0]!r} returns no tensor but {kind}; name one of its submodules")
    if len(steps) > 1:
        raise SiteUnavailable(f"{site!r} could mean several tensors; {_offer(value, site)}")
    return steps


def _offer(value: Any, site: str) -> str:
    found = [f"'{'.'.join((site, *steps))}' ({' x '.join(map(str, tensor.shape))})" for steps, tensor in _tensors(value, site)]
    return f"there is {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}"


def _tensors(value: Any, site: str) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Every tensor in there, with the steps that lead to it."""
    if isinstance(value, Tensor):
        yield (), value
    for step, part in _parts(value, site):
        yield from (((step, *steps), tensor) for steps, tensor in _tensors(part, site))


def _parts(value: Any, site: str) -> list[tuple[str, Any]]:
    if isinstance(value, PackedSequence):
        raise SiteUnavailable(f"{site!r} holds a packed sequence, in which rows and positions are mixed: pad the rows instead of packing them")
    if isinstance(value, Mapping):
        return [(str(key), part) for key, part in value.items()]
    if isinstance(value, tuple | list):
        return [(str(i), part) for i, part in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return []


def _pick(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        value = dict(_parts(value, ""))[step]
    return value


def _replace(value: Any, steps: tuple[str, ...], new: Tensor) -> Any:
    """A shallow copy of what is on the way, with the tensor at its end replaced."""
    if not steps:
        return new
    step, *rest = steps
    part = _replace(_pick(value, (step,)), tuple(rest), new)
    if isinstance(value, Mapping):
        fresh: Any = value.__class__(**value) if hasattr(value, "to_tuple") else dict(value)  # a `ModelOutput` of transformers is a dataclass
        fresh[next(key for key in value if str(key) == step)] = part
        return fresh
    if isinstance(value, tuple | list):
        parts = [part if str(i) == step else kept for i, kept in enumerate(value)]
        return value.__class__(*parts) if hasattr(value, "_fields") else value.__class__(parts)
    fresh = copy.copy(value)
    object.__setattr__(fresh, step, part)  # also where the dataclass is frozen
    return fresh
