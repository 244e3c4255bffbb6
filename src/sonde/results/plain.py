"""Nested lists, arrays and tensors as plain data of a known shape, and plain data as JSON can hold it.

What does not fit raises `ValueError` with a sentence about the part; the caller adds what it was building.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# anything with axes: nested sequences of numbers, a numpy array or a torch tensor
Numbers = Any


def nested(name: str, values: Any, shape: tuple[int | None, ...], convert: Callable[[Any], Any]) -> Any:
    """Give `values` as nested lists of `convert`ed items, of exactly this shape; a length of `None` is free.

    >>> nested("rows", (0, 1), (2,), str)
    ['0', '1']
    """
    if not shape:
        try:
            return convert(values)
        except (TypeError, ValueError) as refusal:
            raise ValueError(f"{name} holds {values!r}: {refusal}") from None
    if hasattr(values, "tolist"):
        values = values.tolist()
    is_list = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    if not is_list:
        raise ValueError(f"{name} needs a list here, not {values!r}")
    if shape[0] is not None and len(values) != shape[0]:
        raise ValueError(f"{name} has {len(values)} entries where {shape[0]} belong")
    return [nested(name, value, shape[1:], convert) for value in values]


def items(name: str, values: Any, length: int | None = None) -> list[Any]:
    """Give what stands along the first axis, as it is.

    >>> items("rows", ([1, 2], None))
    [[1, 2], None]
    """
    along: list[Any] = nested(name, values, (length,), lambda item: item)
    return along


def number(value: Any) -> float | None:
    """Give a finite float, or `None` for what is missing (`None`, NaN)."""
    if value is None:
        return None
    amount = float(value)
    if math.isinf(amount):
        raise ValueError("an infinite value cannot be drawn; mark it as missing with None")
    return None if math.isnan(amount) else amount


def repeated(names: Sequence[str]) -> list[str]:
    """Give the names that occur more than once, sorted.

    >>> repeated(["b", "a", "b"])
    ['b']
    """
    return sorted({name for name in names if names.count(name) > 1})


def mean(values: Sequence[float | None]) -> float | None:
    """Give the mean of the values that are not missing; `None` if all are.

    >>> mean([1.0, None, 3.0])
    2.0
    """
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def json_ready(value: Any) -> Any:
    """Give plain data with floats rounded to five significant digits; what JSON has no number for (NaN, infinities) becomes `None`.

    >>> json_ready({"share": 2 / 3, "ends": (float("nan"), 1)})
    {'share': 0.66667, 'ends': [None, 1]}
    """
    match value:
        case float():
            rounded = float(f"{value:.5g}")
            if math.isfinite(rounded):
                return rounded
            return value if math.isfinite(value) else None  # the very largest floats would be rounded up to infinity
        case Mapping():
            return {key: json_ready(item) for key, item in value.items()}
        case list() | tuple():
            return [json_ready(item) for item in value]
    return value
