"""What a card says: each figure with its number of items and a 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from torch import Tensor


@dataclass(frozen=True)
class Measure:
    """One line of the card."""

    name: str
    """What was asked."""
    value: float
    """The share of right answers, or the mean of the measure."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    n: int
    """Items, drawn independently."""
    unit: str
    """What `value` is."""
    note: str = ""
    """What to know beside the figure."""


def share(name: str, right: Sequence[bool], unit: str, note: str = "") -> Measure:
    """A share of right answers with Wilson's interval (1927), which stays inside [0, 1] also when all are right."""
    n, z = len(right), 1.959964
    p = sum(right) / n
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Measure(name, p, max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n)), n, unit, note)


def mean(name: str, values: Tensor, unit: str, note: str = "") -> Measure:
    """A mean with its normal interval."""
    value, half = values.mean().item(), 1.959964 * values.std().item() / math.sqrt(len(values))
    return Measure(name, value, value - half, value + half, len(values), unit, note)


def as_rows(measured: Sequence[Measure]) -> list[dict[str, object]]:
    """The measures as plain data, rounded to what the number of items can tell."""
    return [{name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(m).items()} for m in measured]
