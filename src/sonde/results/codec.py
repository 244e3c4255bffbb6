"""Results as what an artifact keeps: JSON for what is small, tensors and frames apart, and the way back.

What JSON has no word for is written as an object with one key that begins with `$`:
`$tensor` and `$frame` (the name under which it lies beside), `$tuple`, `$map` (a mapping whose keys are not plain text), `$number` (nan, inf),
and `$type` for dataclasses, with their fields.
"""

import math
import sys
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sonde.results.errors import LoadError, SondeError
from sonde.results.hashing import is_tensor

if TYPE_CHECKING:
    from polars import DataFrame
    from torch import Tensor


def kind_of(cls: type) -> str:
    """The name under which a dataclass is kept: its public place, so that files inside a package may move.

    >>> from sonde.results import Verdict
    >>> kind_of(Verdict)
    'sonde.results.Verdict'
    """
    module = cls.__module__.split(".")
    package = module[:2] if module[0] == "sonde" else module
    return ".".join([*package, cls.__qualname__])


def class_of(kind: str) -> type:
    """The dataclass of that name; only packages of sonde are imported for it, so that a file cannot choose what code runs."""
    package, _, name = kind.rpartition(".")
    if package.split(".")[0] == "sonde":
        with suppress(ImportError):  # the message below says it better
            import_module(package)
    cls = getattr(sys.modules.get(package), name, None)
    if not (isinstance(cls, type) and is_dataclass(cls)):
        raise LoadError(f"nothing here is called {kind!r}; import the package that defines it first, or install the sonde that wrote it")
    return cls


@dataclass
class Packed:
    """Plain JSON data, and the tensors and frames that it names."""

    plain: Any = None
    tensors: dict[str, "Tensor"] = field(default_factory=dict)
    frames: dict[str, "DataFrame"] = field(default_factory=dict)


def pack(value: Any) -> Packed:
    """Take a value apart; raises `SondeError` for what cannot be kept, and names its place."""
    packed = Packed()
    packed.plain = _pack(value, "", packed)
    return packed


def unpack(packed: Packed) -> Any:
    """Put it together again; raises `LoadError` for what it cannot have been."""
    return _unpack(packed.plain, packed)


def _pack(value: Any, path: str, packed: Packed) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$number": str(value)}
    if is_tensor(value):
        packed.tensors[path] = value
        return {"$tensor": path}
    if _is_frame(value):
        packed.frames[path] = value
        return {"$frame": path}
    if isinstance(value, list | tuple):
        parts = [_pack(part, _join(path, i), packed) for i, part in enumerate(value)]
        return parts if isinstance(value, list) else {"$tuple": parts}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _pack(part, _join(path, key), packed) for key, part in value.items()}
        return {"$map": [[_pack(k, _join(path, i, "key"), packed), _pack(v, _join(path, i), packed)] for i, (k, v) in enumerate(value.items())]}
    if is_dataclass(value) and not isinstance(value, type):
        return {"$type": kind_of(type(value)), **{f.name: _pack(getattr(value, f.name), _join(path, f.name), packed) for f in fields(value)}}
    raise SondeError(
        f"{path or 'the value'} is a {type(value).__name__}, which an artifact cannot keep; keep tensors, frames, numbers, text or dataclasses"
    )


def _unpack(plain: Any, packed: Packed) -> Any:
    if isinstance(plain, list):
        return [_unpack(part, packed) for part in plain]
    if not isinstance(plain, dict):
        return plain
    if "$type" in plain:
        return _build(plain, packed)
    match plain:
        case {"$tensor": str(name)} if name in packed.tensors:
            return packed.tensors[name]
        case {"$frame": str(name)} if name in packed.frames:
            return packed.frames[name]
        case {"$tuple": list(parts)}:
            return tuple(_unpack(part, packed) for part in parts)
        case {"$map": list(entries)}:
            return {_unpack(key, packed): _unpack(value, packed) for key, value in entries}
        case {"$number": str(text)}:
            return float(text)
    if any(key.startswith("$") for key in plain):
        raise LoadError(f"{plain} names nothing in this artifact; make the result again")
    return {key: _unpack(value, packed) for key, value in plain.items()}


def _build(plain: dict[str, Any], packed: Packed) -> Any:
    cls = class_of(plain["$type"])
    values = {name: _unpack(value, packed) for name, value in plain.items() if name != "$type"}
    names = {f.name for f in fields(cls)}
    if set(values) != names:
        differing = ", ".join(sorted(names ^ set(values)))
        raise LoadError(f"the {plain['$type']} here has other fields than this sonde's ({differing}); read it with the sonde that wrote it")
    # not through __init__: a field may be set by the class itself
    instance: Any = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(instance, name, value)
    return instance


def _join(*parts: object) -> str:
    return ".".join(str(part) for part in parts if part != "")


def _is_frame(value: Any) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.DataFrame)
