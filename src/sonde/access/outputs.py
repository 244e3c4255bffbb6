"""Where the tensor is in what modules take and return: by itself, in a tuple, in a mapping, among arguments."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sonde.results import SiteUnavailable


def unwrap(output: Any, path: str = "") -> Tensor:
    """The tensor of a module's output: itself, the logits of a model's output, or the first tensor of a tuple or mapping."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        values = [output["logits"]] if isinstance(output.get("logits"), Tensor) else list(output.values())
    else:
        values = list(output) if isinstance(output, tuple | list) else []
    for value in values:
        if isinstance(value, Tensor):
            return value
    raise SiteUnavailable(f"the module {path!r} returns no tensor but {type(output).__name__}; name one of its submodules")


def rewrap(output: Any, new: Tensor) -> Any:
    """The output with its tensor (the one that `unwrap` gives) replaced, everything else kept."""
    if isinstance(output, Tensor):
        return new
    old = unwrap(output)
    if isinstance(output, Mapping):
        fresh: Any = output.__class__(**output) if hasattr(output, "to_tuple") else dict(output)  # a `ModelOutput` of transformers is a dataclass
        fresh[next(key for key, value in output.items() if value is old)] = new
        return fresh
    replaced = [new if value is old else value for value in output]
    return output.__class__(*replaced) if hasattr(output, "_fields") else output.__class__(replaced)


def first_tensor(args: tuple[Any, ...], kwargs: Mapping[str, Any], path: str = "") -> tuple[int | str, Tensor]:
    """The first tensor among a module's arguments, and its place or name."""
    given: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    for key, value in given:
        if isinstance(value, Tensor):
            return key, value
    raise SiteUnavailable(f"no tensor enters the module {path!r}; name its output or another module")
