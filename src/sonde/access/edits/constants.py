"""Edits that need nothing but the old value: constants, means, sums, factors, functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sonde.access.edits.base import SiteEdit, Value, checked, drops_batch, fit
from sonde.access.sites import Site
from sonde.results import EditError, shown


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Zero(SiteEdit):
    """Write zero.

    Arguments:
        site: where.

    >>> Zero("blocks.1.attn.z[head=3]")
    Zero('blocks.1.attn.z[head=3]')
    """

    def new(self, old: Tensor) -> Tensor:
        return torch.zeros_like(old)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Set(SiteEdit):
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
        object.__setattr__(self, "value", checked(value, self))

    def new(self, old: Tensor) -> Tensor:
        return fit(self.value, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Mean(SiteEdit):
    """Write a stored mean of the selected part (mean ablation).

    Arguments:
        site: where.
        stats: what one row's selected part is on average, as `run[site].mean(0)` gives it (one per position), or without its position axis,
            as `run[site].mean((0, 1))` gives it (the same at every position). With `groups` one such mean for each group, stacked.
        groups: which of the stacked means each row gets, such as that of its template: one number per row.

    Raises:
        EditError: the mean holds NaN; in a run: its shape is neither of these two, or there are more or fewer rows than groups.

    >>> Mean("blocks.2.mlp.out", torch.zeros(16))
    Mean('blocks.2.mlp.out', stats=<tensor 16>)
    >>> Mean("blocks.2.mlp.out", torch.zeros(2, 16), groups=[0, 1, 1])
    Mean('blocks.2.mlp.out', stats=<tensor 2 x 16>, groups=(0, 1, 1))
    """

    stats: Tensor
    groups: tuple[int, ...] | None

    def __init__(self, site: str | Site, stats: Tensor, groups: Sequence[int] | None = None) -> None:
        super().__init__(site)
        object.__setattr__(self, "stats", torch.as_tensor(checked(stats, self)))
        object.__setattr__(self, "groups", None if groups is None else tuple(int(group) for group in groups))
        if self.groups is not None and (not self.stats.ndim or not all(0 <= group < len(self.stats) for group in self.groups)):
            raise EditError(f"{self}: the stacked means have the shape {tuple(self.stats.shape)}, so groups are 0 to {len(self.stats) - 1}")

    def new(self, old: Tensor) -> Tensor:
        # a plain broadcast would let the mean of four positions pass as that of four rows
        row = old.shape if drops_batch(self.site) else old.shape[1:]
        shape = self.stats.shape if self.groups is None else self.stats.shape[1:]
        if shape not in (row, row[1:]):
            raise EditError(
                f"{self}: a mean of shape {tuple(shape)} does not fit; one row's selected part is {tuple(row)} here, "
                f"so give {tuple(row)}, or {tuple(row[1:])} for the same mean at every position"
            )
        if self.groups is None:
            return fit(self.stats, old, self)
        if drops_batch(self.site) or len(self.groups) != old.shape[0]:
            raise EditError(f"{self}: there are {len(self.groups)} groups for {old.shape[0]} rows; give one for each row of the batch")
        stats = self.stats[list(self.groups)]
        return fit(stats if shape == row else stats.unsqueeze(1), old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Add(SiteEdit):
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
        object.__setattr__(self, "vector", checked(vector, self))

    def new(self, old: Tensor) -> Tensor:
        return old + fit(self.vector, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scale(SiteEdit):
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
        object.__setattr__(self, "factor", checked(factor, self))

    def new(self, old: Tensor) -> Tensor:
        return old * fit(self.factor, old, self)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Apply(SiteEdit):
    """Write what a function makes of the old value. Cannot be saved; two are equal only if they hold the same function.

    Arguments:
        site: where.
        fn: takes the selected part, returns a tensor of the same shape, dtype and device; must not change its argument.
    """

    fn: Callable[[Tensor], Tensor] = field(repr=False)

    def __init__(self, site: str | Site, fn: Callable[[Tensor], Tensor]) -> None:
        super().__init__(site)
        if not callable(fn):
            raise EditError(f"Apply({str(self.site)!r}): {shown(fn)} is no function; use Set for a constant")
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
