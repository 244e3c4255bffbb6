"""What is kept of many pictures while they pass: the largest, and random ones at every level, in memory that does not grow with their number.

The largest value is not known before the end, so levels are first counted in bins whose width w is a power of two, the least for which all values so
far lie in [-F w, F w). When a larger value comes, w doubles and neighbours are joined: nothing is lost, and the result does not depend on the order
in which batches were cut. In each bin those pictures are kept that stand first in one random order of all of them, drawn beforehand: a uniform draw
without replacement, which survives joining (the first few of two bins together are among the first few of each).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

NOBODY = torch.iinfo(torch.int64).max


class Largest:
    """The k largest values of each unit; of equal ones the earlier picture's come first.

    Arguments:
        units: how many.
        k: values of each.
    """

    def __init__(self, units: int, k: int):
        self.value = torch.full((units, k), -torch.inf)
        self.number = torch.full((units, k), -1)
        self.place = torch.full((units, k), -1)

    def update(self, values: Float[Tensor, "picture unit"], places: Int[Tensor, "picture unit"], numbers: Int[Tensor, " picture"]) -> None:
        """Let pictures pass, whose numbers are above those of all before.

        Arguments:
            values: of each unit.
            places: of these values on the units' maps.
            numbers: of the pictures.
        """
        k = self.value.shape[1]
        better = (values > self.value[:, -1]).any(0).nonzero()[:, 0]  # of most units nothing changes any more, after many pictures
        value, order = torch.cat([self.value[better], values.T[better]], 1).sort(dim=1, descending=True, stable=True)
        number = torch.cat([self.number[better], numbers.expand(len(better), -1)], 1)
        place = torch.cat([self.place[better], places.T[better]], 1)
        self.value[better] = value[:, :k]
        self.number[better], self.place[better] = number.gather(1, order[:, :k]), place.gather(1, order[:, :k])


class Levels:
    """Counts and random pictures of every bin of each unit's values; the last bin holds exact zeros.

    Arguments:
        units: how many.
        half: F, the bins on each side of zero; even.
        keep: pictures of each bin.
        labels: how many labels are counted; 0 for none.
    """

    def __init__(self, units: int, half: int, keep: int, labels: int = 0):
        self.half = half
        self.width = torch.zeros(units, dtype=torch.float64)
        self.counts = torch.zeros(units, 2 * half + 1, dtype=torch.int64)
        self.order = torch.full((units, 2 * half + 1, keep), NOBODY)
        self.value = torch.zeros(units, 2 * half + 1, keep)
        self.place = torch.full((units, 2 * half + 1, keep), -1)
        self.labels = torch.zeros(units, 2 * half + 1, labels, dtype=torch.int32)

    def update(
        self, values: Float[Tensor, "picture unit"], places: Int[Tensor, "picture unit"], order: Int[Tensor, " picture"],
        labels: Int[Tensor, " picture"] | None = None,
    ) -> None:  # fmt: skip
        """Let pictures pass.

        Arguments:
            values, places: as for `Largest`.
            order: where each picture stands in the random order of all.
            labels: the number of each picture's label.
        """
        self._widen(values.abs().amax(0).double())
        steps = (values.double() / self.width.clamp(min=torch.finfo(torch.float64).tiny)).floor().long() + self.half
        bins = torch.where(values == 0, 2 * self.half, steps)
        units = torch.arange(len(self.width))
        self.counts.scatter_add_(1, bins.T, torch.ones_like(bins.T))
        if labels is not None:
            at_label = (units.expand_as(bins), bins, labels[:, None].expand_as(bins))
            self.labels.index_put_(at_label, torch.ones((), dtype=self.labels.dtype), accumulate=True)
        hopeful = order[:, None] < self.order.amax(2)[units, bins]  # those of the batch itself may still come before
        for i in hopeful.any(1).nonzero()[:, 0].tolist():
            unit = hopeful[i].nonzero()[:, 0]
            held, slot = self.order[unit, bins[i, unit]].max(1)
            nearer = held > order[i]
            unit, slot = unit[nearer], slot[nearer]
            at = unit, bins[i, unit], slot
            self.order[at], self.value[at], self.place[at] = order[i], values[i, unit], places[i, unit]

    def _widen(self, largest: Float[Tensor, " unit"]) -> None:
        """Make the bins wide enough for these values."""
        _, exponent = torch.frexp(largest / self.half)
        wanted = torch.ldexp(torch.ones_like(largest), exponent)
        fresh = (self.width == 0) & (largest > 0)
        self.width[fresh] = wanted[fresh]
        while (narrow := (largest > 0) & (self.width < wanted)).any():
            units = narrow.nonzero()[:, 0]
            self.width[units] *= 2
            self._join(units)

    def _join(self, units: Int[Tensor, " unit"]) -> None:
        half, keep = self.half, self.order.shape[2]
        inner = slice(half // 2, half // 2 + half)

        def paired(held: Tensor) -> Tensor:
            return held[units, : 2 * half].unflatten(1, (half, 2))

        for name in ("counts", "labels"):
            held = getattr(self, name)
            joined = paired(held).sum(2)
            held[units, : 2 * half] = 0
            held[units, inner] = joined.to(held.dtype)
        order, first = paired(self.order).flatten(2).sort(2)
        parts = {name: paired(getattr(self, name)).flatten(2).gather(2, first[..., :keep]) for name in ("value", "place")}
        for name, joined, empty in (("order", order[..., :keep], NOBODY), ("value", parts["value"], 0), ("place", parts["place"], -1)):
            held = getattr(self, name)
            held[units, : 2 * half] = empty
            held[units, inner] = joined
