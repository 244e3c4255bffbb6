"""What to write at a site: plain frozen data, so that an edit can be printed, hashed, planned, batched and sent to a worker.

Every edit takes the site first. `new(old, run_rows)` computes the replacement out of place, from the selected part as it is in this run;
gradients flow through it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

import torch
from torch import Tensor

from sonde.access.sites import Site
from sonde.results import EditError, content_hash

if TYPE_CHECKING:
    from sonde.access.run import Run

Value = Union[float, int, Tensor]


@runtime_checkable
class Edit(Protocol):
    """Anything with a site and a way to compute the new value from the old one."""

    @property
    def site(self) -> Site: ...

    def new(self, old: Tensor) -> Tensor:
        """The replacement for `old`, the selected part of the site's tensor: same shape, dtype and device."""
        ...


@dataclass(frozen=True, eq=False)
class _Edit:
    site: Site

    def __init__(self, site: str | Site) -> None:
        object.__setattr__(self, "site", Site.parse(site))

    @property
    def hash(self) -> str:
        """A content hash: equal for equal kinds, sites and values, in every process."""
        content = {f.name: _plain(getattr(self, f.name), self) for f in fields(self)}
        return content_hash([type(self).__name__, content])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, _Edit) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        values = [repr(str(self.site))] + [f"{f.name}={_brief(getattr(self, f.name))}" for f in fields(self) if f.name != "site"]
        return f"{type(self).__name__}({', '.join(values)})"


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Zero(_Edit):
    """Write zero.

    >>> Zero("blocks.1.attn.z[head=3]")
    Zero('blocks.1.attn.z[head=3]')
    """

    def new(self, old: Tensor) -> Tensor:
        return torch.zeros_like(old)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Set(_Edit):
    """Write this constant.

    Arguments:
        site: where.
        value: a number, or a tensor that broadcasts to the selected part.
    """

    value: Value

    def __init__(self, site: str | Site, value: Value) -> None:
        super().__init__(site)
        object.__setattr__(self, "value", value)

    def new(self, old: Tensor) -> Tensor:
        return _fit(self.value, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Mean(_Edit):
    """Write a stored mean: over a data set (d ...), or one per position (pos d ...).

    Arguments:
        site: where.
        stats: the mean, a tensor that broadcasts to the selected part of one row.
    """

    stats: Tensor

    def __init__(self, site: str | Site, stats: Tensor) -> None:
        super().__init__(site)
        object.__setattr__(self, "stats", stats)

    def new(self, old: Tensor) -> Tensor:
        return _fit(self.stats, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Patch(_Edit):
    """Write the same site's value from another run.

    Arguments:
        site: where, in this run and in the other.
        source: a `Run` that has read the site; of one row, or of as many rows as this run.
    """

    source: "Run"

    def __init__(self, site: str | Site, source: "Run") -> None:
        super().__init__(site)
        object.__setattr__(self, "source", source)
        source[self.site]  # refuse at once what was not read, not in the middle of a run

    def new(self, old: Tensor) -> Tensor:
        value = self.source[self.site]
        if value.shape[1:] != old.shape[1:] or value.shape[0] not in (1, old.shape[0]):
            raise EditError(
                f"{self}: the source holds {tuple(value.shape)} and the run {tuple(old.shape)}; "
                "patch runs of the same length, or select positions that both have"
            )
        return _fit(value, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Add(_Edit):
    """Add a vector (or any tensor that broadcasts)."""

    vector: Value

    def __init__(self, site: str | Site, vector: Value) -> None:
        super().__init__(site)
        object.__setattr__(self, "vector", vector)

    def new(self, old: Tensor) -> Tensor:
        return old + _fit(self.vector, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scale(_Edit):
    """Multiply by a factor (a number, or a tensor that broadcasts)."""

    factor: Value

    def __init__(self, site: str | Site, factor: Value) -> None:
        super().__init__(site)
        object.__setattr__(self, "factor", factor)

    def new(self, old: Tensor) -> Tensor:
        return old * _fit(self.factor, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Apply(_Edit):
    """Write what a function makes of the old value. Cannot be saved; two are equal only if they hold the same function.

    Arguments:
        site: where.
        fn: takes the selected part, returns a tensor of the same shape, dtype and device; must not change its argument.
    """

    fn: Callable[[Tensor], Tensor] = field(repr=False)

    def __init__(self, site: str | Site, fn: Callable[[Tensor], Tensor]) -> None:
        super().__init__(site)
        object.__setattr__(self, "fn", fn)

    def new(self, old: Tensor) -> Tensor:
        version = old._version
        value = self.fn(old)
        if not isinstance(value, Tensor) or value.shape != old.shape or value.dtype != old.dtype or value.device != old.device:
            got = f"{value.dtype} {tuple(value.shape)} on {value.device}" if isinstance(value, Tensor) else type(value).__name__
            raise EditError(f"{self}: the function must return {old.dtype} {tuple(old.shape)} on {old.device}, and returned {got}")
        if old._version != version:
            raise EditError(f"{self}: the function changed its argument in place; return a new tensor instead")
        return value


def _fit(value: Value, old: Tensor, edit: _Edit) -> Tensor:
    """The value as a tensor of the old one's shape, dtype and device; broadcasting is allowed, anything else refused."""
    value = torch.as_tensor(value, dtype=old.dtype, device=old.device)
    try:
        return value.expand(old.shape)
    except RuntimeError:
        raise EditError(f"{edit}: a value of shape {tuple(value.shape)} does not fit the site, which has {tuple(old.shape)} here") from None


def _plain(value: Any, edit: _Edit) -> Any:
    if isinstance(value, Site):
        return str(value)
    if isinstance(value, int | float | Tensor):
        return value
    if callable(value):
        return f"function at {id(value)}"
    return value[edit.site]  # the source of a patch


def _brief(value: Any) -> str:
    if isinstance(value, Tensor) and value.numel() > 1:
        return f"<tensor {' x '.join(map(str, value.shape))}>"
    if isinstance(value, Tensor):
        return f"{value.item():.5g}"
    if isinstance(value, int | float):
        return f"{value:.5g}"
    return f"<{type(value).__name__}>"
