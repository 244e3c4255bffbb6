"""Where a dictionary's training data come from: batches of activations that can be gone on with exactly where they were left.

A source gives one matrix after the other, `[row, width]`: a row is one token (one image, one patch, one state) and holds the activations of every
site side by side, in the order of `parts`. So what belongs together stays together, a crosscoder reads the whole row, and several dictionaries at
several sites learn from one pass over the model, each from its own columns (`columns`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.dictionary import Part
from sonde.results import InputError, shown

State = dict[str, Any]
"""Plain data that JSON can hold."""


@runtime_checkable
class Source(Protocol):
    """Batches of activations.

    `parts` says what stands side by side in a row. `state_dict` is taken between two batches; a source of the same data that loads it gives, bit for
    bit, the batches that would have come.
    """

    @property
    def parts(self) -> tuple[Part, ...]:
        """The sites, side by side, and how many entries each has."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided or left out."""
        ...

    def batches(self, size: int) -> Iterator[Float[Tensor, "row width"]]:
        """The batches that are still to come, `size` rows each; the last one may have fewer."""
        ...

    def state_dict(self) -> State:
        """How far the batches have gone."""
        ...

    def load_state_dict(self, state: State) -> None:
        """Go on from there."""
        ...


def columns(parts: Sequence[Part], sites: Sequence[str] | None = None) -> slice | Tensor:
    """Where some sites stand in the rows of a source: `batch[:, columns(source.parts, ["blocks.1.resid_post"])]`.

    Arguments:
        parts: of the source.
        sites: which, in the order that is wanted; all of them by default.

    Returns:
        A slice where they are neighbours, which copies nothing; else the numbers of the columns.

    Raises:
        InputError: a site that the rows do not hold, or that is named twice.

    >>> columns((Part("a", 2), Part("b", 3)), ["b"])
    slice(2, 5, None)
    """
    starts, end = {}, 0
    for part in parts:
        starts[part.site] = slice(end, end + part.width)
        end += part.width
    if sites is None:
        return slice(0, end)
    unknown = [site for site in sites if site not in starts]
    if unknown or len(set(sites)) < len(sites) or not sites:
        raise InputError(f"sites={shown(list(sites))}: the rows of this source hold {', '.join(starts)}; name some of them, each once")
    found = [starts[site] for site in sites]
    if all(one.stop == next_.start for one, next_ in pairwise(found)):
        return slice(found[0].start, found[-1].stop)
    return torch.cat([torch.arange(one.start, one.stop) for one in found])
