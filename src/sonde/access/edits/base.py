"""What an edit is: plain frozen data, so that it can be printed, hashed, planned, batched and sent to a worker.

Every edit takes the site first. `new(old)` computes the replacement out of place, from the selected part as it is in this run; gradients flow
through it. An edit that must know more, such as which tokens the rows hold, has `new_at(old, place)` beside it.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sonde.access.basis import Basis
from sonde.access.selection import Resolved, Rows
from sonde.access.sites import Site
from sonde.results import EditError, content_hash, shown

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


@dataclass(frozen=True)
class Place:
    """Where an edit is made in a run: what is known beside the old value.

    Arguments:
        axes: the names of the axes of the site's whole tensor.
        shape: of the site's whole tensor.
        rows: where the real tokens of each row lie; `None` for inputs that are no token sequences.
        resolved: the selection, as an index of the whole tensor.
        module: the one whose input or output this is.
        entering: the first tensor that entered the module.
        raw: what the module takes or gives here, before it is unpacked into the site's axes.
    """

    axes: tuple[str, ...]
    shape: torch.Size
    rows: Rows | None
    resolved: Resolved
    module: nn.Module
    entering: Tensor | None
    raw: Tensor | None


@runtime_checkable
class PlacedEdit(Edit, Protocol):
    """An edit that must know where it is made."""

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The replacement for `old` at this place; used instead of `new`."""
        ...


@dataclass(frozen=True, eq=False)
class SiteEdit:
    """Base of sonde's own edits: data that are equal when they say the same.

    Arguments:
        site: where.
    """

    site: Site

    def __init__(self, site: str | Site) -> None:
        object.__setattr__(self, "site", Site.parse(site))

    def new(self, old: Tensor) -> Tensor:
        """The replacement for `old`, the selected part of the site's tensor.

        Raises:
            EditError: an edit that must know where it is made, and has `new_at` instead.
        """
        raise EditError(f"{type(self).__name__}({str(self.site)!r}) must know where it is made: hand it to a run, or call new_at with the place")

    @property
    def content(self) -> dict[str, Any]:
        """What the edit says beside its kind, field by field: what makes two of them equal."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @property
    def hash(self) -> str:
        """A content hash: equal for equal kinds, sites and values, in every process."""
        return content_hash([type(self).__name__, self.content])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, SiteEdit) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name != "site" and getattr(self, f.name) is not None]
        return f"{type(self).__name__}({', '.join([repr(str(self.site)), *(f'{name}={_brief(value)}' for name, value in given)])})"


def checked(value: Any, edit: SiteEdit) -> Value:
    """The value as a number or a tensor; NaN is refused, because it would run through the whole model and come out as an answer."""
    named = f"{type(edit).__name__}({str(edit.site)!r})"
    try:
        given = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise EditError(f"{named}: {shown(value, limit=60)} is no number and no tensor") from None
    if given.is_complex() or given.is_meta:
        raise EditError(f"{named}: a value of {given.dtype} on device {given.device} can't be written; give real numbers")
    if given.isnan().any():
        raise EditError(f"{named}: the value holds NaN; give finite numbers")
    return value if isinstance(value, int | float | Tensor) else given


def fit(value: Value, old: Tensor, edit: SiteEdit) -> Tensor:
    """The value as a tensor of the old one's shape, dtype and device; broadcasting is allowed, anything else refused."""
    exact = isinstance(value, int) or (isinstance(value, Tensor) and not value.is_floating_point())
    if not old.is_floating_point() and not exact:
        raise EditError(f"{edit}: the site holds whole numbers ({old.dtype}); edit a site after them, such as the embedding's output")
    fitting = torch.as_tensor(value, dtype=old.dtype, device=old.device)
    if old.is_floating_point() and _overflows(value, fitting):
        raise EditError(f"{edit}: the value is beyond the largest {old.dtype}, {torch.finfo(old.dtype).max:.3g}, and would be infinite; give less")
    try:
        return fitting.expand(old.shape)
    except RuntimeError:
        raise EditError(f"{edit}: a value of shape {tuple(fitting.shape)} does not fit the site, which has {tuple(old.shape)} here") from None


def _overflows(value: Value, fitted: Tensor) -> bool:
    """Whether a finite value became infinite in a narrower type."""
    if isinstance(value, Tensor):
        return value.dtype != fitted.dtype and bool((fitted.isinf() & value.isfinite().to(fitted.device)).any())
    return torch.finfo(fitted.dtype).max < abs(value) < math.inf


def drops_batch(site: Site) -> bool:
    """Whether the selected part has no batch axis."""
    return isinstance(dict(site.select).get("batch"), int)


def _plain(value: Any) -> Any:
    if isinstance(value, Site):
        return str(value)
    if value is None or isinstance(value, int | float | str | tuple | Tensor):
        return value
    if isinstance(value, Basis):
        return [type(value).__name__, value.hash]
    return f"function at {id(value)}"


def _brief(value: Any) -> str:
    if isinstance(value, Tensor) and value.numel() > 1:
        return f"<tensor {' x '.join(map(str, value.shape))}>"
    if isinstance(value, Tensor):
        return f"{value.item():.5g}"
    if isinstance(value, bool | str | tuple):
        return repr(value)
    if isinstance(value, int | float):
        return f"{value:.5g}"
    if isinstance(value, Site):
        return repr(str(value))
    if isinstance(value, Basis):
        return repr(value)
    return f"<{type(value).__name__}>"
