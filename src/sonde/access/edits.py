"""What to write at a site: plain frozen data, so that an edit can be printed, hashed, planned, batched and sent to a worker.

Every edit takes the site first. `new(old)` computes the replacement out of place, from the selected part as it is in this run; gradients flow
through it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sonde.access.selection import POSITION_AXES, Rows
from sonde.access.sites import Site
from sonde.results import EditError, content_hash

if TYPE_CHECKING:
    from sonde.access.run import Run

Value = float | int | Tensor


@runtime_checkable
class Edit(Protocol):
    """Anything with a site and a way to compute the new value from the old one."""

    @property
    def site(self) -> Site:
        """Where."""
        ...

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

    Arguments:
        site: where.

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

    Raises:
        EditError: the value holds NaN; in a run: it does not fit the site.

    >>> Set("blocks.2.resid_post[pos=-1]", 0.5)
    Set('blocks.2.resid_post[pos=-1]', value=0.5)
    """

    value: Value

    def __init__(self, site: str | Site, value: Value) -> None:
        super().__init__(site)
        object.__setattr__(self, "value", _checked(value, self))

    def new(self, old: Tensor) -> Tensor:
        return _fit(self.value, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Mean(_Edit):
    """Write a stored mean of the selected part (mean ablation).

    Arguments:
        site: where.
        stats: what one row's selected part is on average, as `run[site].mean(0)` gives it (one per position), or without its position axis,
            as `run[site].mean((0, 1))` gives it (the same at every position).

    Raises:
        EditError: the mean holds NaN; in a run: its shape is neither of these two.

    >>> Mean("blocks.2.mlp.out", torch.zeros(16))
    Mean('blocks.2.mlp.out', stats=<tensor 16>)
    """

    stats: Tensor

    def __init__(self, site: str | Site, stats: Tensor) -> None:
        super().__init__(site)
        object.__setattr__(self, "stats", torch.as_tensor(_checked(stats, self)))

    def new(self, old: Tensor) -> Tensor:
        # a plain broadcast would let the mean of four positions pass as that of four rows
        row = old.shape if _drops_batch(self.site) else old.shape[1:]
        if self.stats.shape not in (row, row[1:]):
            raise EditError(
                f"{self}: a mean of shape {tuple(self.stats.shape)} does not fit; one row's selected part is {tuple(row)} here, "
                f"so give {tuple(row)}, or {tuple(row[1:])} for the same mean at every position"
            )
        return _fit(self.stats, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Patch(_Edit):
    """Write the same site's value from another run (activation patching).

    Arguments:
        site: where, in this run and in the other. Each run counts its own positions: `pos=-1` takes from the other's last token.
        source: a `Run` that has read the site; of one row, or of as many rows as this run.

    Raises:
        UnknownSite: the other run has not read the site. EditError, in a run: the two differ in length or in rows.
    """

    source: "Run"

    def __init__(self, site: str | Site, source: "Run") -> None:
        super().__init__(site)
        object.__setattr__(self, "source", source)
        source[self.site]  # refuse at once what was not read, not in the middle of a run

    def new(self, old: Tensor) -> Tensor:
        value = self.source[self.site]
        rows = 0 if _drops_batch(self.site) else 1
        if value.shape[rows:] != old.shape[rows:] or (rows and value.shape[0] not in (1, old.shape[0])):
            raise EditError(f"{self}: the source holds {tuple(value.shape)} and the run {tuple(old.shape)}; {_SAME}")
        return _fit(value, old, self)

    def refuse_other_rows(self, rows: Rows | None, axes: tuple[str, ...]) -> None:
        """Raise `EditError` where a column means another position in the source than in this run, though the shapes may agree."""
        whole = [axis for axis in POSITION_AXES if axis in axes and axis not in dict(self.site.select)]
        theirs = self.source.inputs.rows
        if whole and rows is not None and theirs is not None and not rows.alike(theirs):
            raise EditError(f"{self}: the source's rows have {_lengths(theirs)} tokens and the run's {_lengths(rows)}; {_SAME}")


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Add(_Edit):
    """Add a vector (steering).

    Arguments:
        site: where.
        vector: a number, or a tensor that broadcasts to the selected part.

    Raises:
        EditError: the vector holds NaN; in a run: it does not fit the site.

    >>> Add("blocks.4.resid_post", torch.ones(8))
    Add('blocks.4.resid_post', vector=<tensor 8>)
    """

    vector: Value

    def __init__(self, site: str | Site, vector: Value) -> None:
        super().__init__(site)
        object.__setattr__(self, "vector", _checked(vector, self))

    def new(self, old: Tensor) -> Tensor:
        return old + _fit(self.vector, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scale(_Edit):
    """Multiply by a factor.

    Arguments:
        site: where.
        factor: a number, or a tensor that broadcasts to the selected part.

    Raises:
        EditError: the factor holds NaN; in a run: it does not fit the site.

    >>> Scale("blocks.0.attn.out", 0.5)
    Scale('blocks.0.attn.out', factor=0.5)
    """

    factor: Value

    def __init__(self, site: str | Site, factor: Value) -> None:
        super().__init__(site)
        object.__setattr__(self, "factor", _checked(factor, self))

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


_SAME = "patch runs of the same length, or select positions that both have"


def _lengths(rows: Rows) -> str:
    return ", ".join(map(str, rows.lengths[:8])) + (", ..." if len(rows.lengths) > 8 else "")


def _drops_batch(site: Site) -> bool:
    return isinstance(dict(site.select).get("batch"), int)


def _checked(value: Value, edit: _Edit) -> Value:
    """The value as a number or a tensor; NaN is refused, because it would run through the whole model and come out as an answer."""
    if not isinstance(value, int | float | Tensor):
        try:
            value = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            raise EditError(f"{type(edit).__name__}({str(edit.site)!r}): {value!r:.60} is no number and no tensor") from None
    if torch.as_tensor(value).isnan().any():
        raise EditError(f"{type(edit).__name__}({str(edit.site)!r}): the value holds NaN; give finite numbers")
    return value


def _fit(value: Value, old: Tensor, edit: _Edit) -> Tensor:
    """The value as a tensor of the old one's shape, dtype and device; broadcasting is allowed, anything else refused."""
    exact = isinstance(value, int) or (isinstance(value, Tensor) and not value.is_floating_point())
    if not old.is_floating_point() and not exact:
        raise EditError(f"{edit}: the site holds whole numbers ({old.dtype}); edit a site after them, such as the embedding's output")
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
