"""Gaussian noise that is a function of its seed and its place, not of the order in which anything is computed.

A generator that hands out numbers one after the other would give an example other noise in another batch, behind padding, in a sweep that stacks
rows, or after one more token was written. So each entry's noise is computed from the seed, the site, the tokens up to the entry's position, and its
coordinates: mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014), then made Gaussian by the Box-Muller transform.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access.edits.base import Place, SiteEdit
from sonde.access.selection import POSITION_AXES, Rows, take
from sonde.access.sites import Site
from sonde.results import EditError, content_hash

# the constants of SplitMix64, as signed numbers
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Noise(SiteEdit):
    """Add Gaussian noise (as in causal tracing); equal rows get equal noise, so give several seeds for several draws.

    Arguments:
        site: where.
        std: standard deviation, in the site's units.
        seed: of the noise. The same seed gives an example the same noise in every batch, at every padding, in sweeps and while it is generated.

    Raises:
        EditError: a standard deviation that is no positive number; in a run: a site of whole numbers, or without a row for every example.

    Where the inputs are no tokens, or a module is called by itself inside `edited`, noise belongs to the number of the row instead.

    >>> Noise("embed", 0.1, seed=3)
    Noise('embed', std=0.1, seed=3)
    """

    std: float
    seed: int

    def __init__(self, site: str | Site, std: float, seed: int = 0) -> None:
        super().__init__(site)
        if not 0 < std < math.inf:
            raise EditError(f"Noise({str(self.site)!r}): std={std!r} is no standard deviation; give a positive number")
        object.__setattr__(self, "std", float(std))
        object.__setattr__(self, "seed", int(seed))

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The old value with the noise of this place."""
        if not old.is_floating_point():
            raise EditError(f"{self}: the site holds whole numbers ({old.dtype}); edit a site after them, such as the embedding's output")
        state = self._of_tokens(place)
        for i, (axis, size) in enumerate(zip(place.axes, place.shape, strict=True)):
            if axis not in ("batch", "pos", "query"):  # these are told by the tokens
                state = _mix(state + _along(self._counted(axis, size, place), i, place.shape))
        return old + self.std * take(_gaussian(state.expand(place.shape)), place.resolved).to(old)

    def _of_tokens(self, place: Place) -> Int[Tensor, "..."]:
        """One number for every row and position: the seed, the site and the tokens up to there, mixed."""
        rows, batch = place.rows, place.shape[0]
        start = int(content_hash([self.site.name, self.seed]), 16) - 2**63
        pos = next((i for i, axis in enumerate(place.axes) if axis in ("pos", "query")), None)
        if rows is None or rows.ids is None:
            state = _mix(start + _along(torch.arange(batch), 0, place.shape))
            return state if pos is None else _mix(state + _along(self._counted("pos", place.shape[pos], place), pos, place.shape))
        if batch != len(rows.starts):
            raise EditError(f"{self}: the tensor here has {batch} rows for {len(rows.starts)} examples, so no example can have noise of its own")
        states = _prefixes(rows, start)
        states = states[:, -1:] if pos is None else states[:, _before(rows, place.shape[pos]) :]
        if pos is not None and states.shape[1] != place.shape[pos]:
            raise EditError(f"{self}: the tensor here has {place.shape[pos]} columns for {rows.end} tokens; use a site with one for every token")
        return states.view([place.shape[i] if i in (0, pos) else 1 for i in range(len(place.shape))])

    def _counted(self, axis: str, size: int, place: Place) -> Int[Tensor, "#row entry"]:
        """The entries along an axis by number; positions from each row's first token on."""
        entries = torch.arange(size)[None]
        if axis not in POSITION_AXES or place.rows is None:
            return entries
        return entries + _before(place.rows, size) - torch.tensor(place.rows.starts)[:, None]


def _prefixes(rows: Rows, start: int) -> Int[Tensor, "row column"]:
    """The tokens of each row up to each column, mixed into one number; padding does not count."""
    assert rows.ids is not None
    ids = rows.ids.cpu()
    starts, lengths = torch.tensor(rows.starts), torch.tensor(rows.lengths)
    state, states = torch.full((len(starts),), start), []
    for column in range(ids.shape[1]):
        state = torch.where((column >= starts) & (column < starts + lengths), _mix(state + ids[:, column]), state)
        states.append(state)
    return torch.stack(states, 1)


def _before(rows: Rows, size: int) -> int:
    """How many columns come before the tensor's first: those that are cached."""
    return rows.cached if size < rows.end else 0


def _along(entries: Int[Tensor, "..."], axis: int, shape: torch.Size) -> Int[Tensor, "..."]:
    """Numbers of the entries along one axis, by row or the same for all, as a tensor that broadcasts to the shape."""
    view = [1] * len(shape)
    if entries.ndim == 2:
        view[0] = len(entries)
    view[axis] = entries.shape[-1]
    return entries.view(view)


def _mix(state: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """SplitMix64: neighbouring numbers become unrelated ones. Signed numbers of 64 bits wrap around as unsigned ones do."""
    state = state + _GOLDEN
    state = (state ^ _shifted(state, 30)) * _FIRST
    state = (state ^ _shifted(state, 27)) * _SECOND
    return state ^ _shifted(state, 31)


def _shifted(state: Int[Tensor, "..."], bits: int) -> Int[Tensor, "..."]:
    """The number shifted to the right, zeros coming in from the left."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)


def _gaussian(state: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Box-Muller: two uniform numbers make a Gaussian one."""
    first, second = ((_shifted(_mix(state + which), 11) + 0.5) * 2.0**-53 for which in (0, 1))
    return (-2 * first.double().log()).sqrt() * (2 * math.pi * second.double()).cos()
