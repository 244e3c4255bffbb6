"""The run-time check of tensor shapes in tests: `Float[Tensor, "batch pos"]` means it.

Every function of sonde is checked by jaxtyping with this checker (see addopts in pyproject.toml). It looks at the annotations that carry a shape
and leaves the rest to mypy: a type checker at run time would need imports that are light on purpose, and would refuse the stand-ins of tests.
"""

from collections.abc import Callable
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its shapes checked at every call."""
    hints = {name: hint if _carries_shape(hint) else Any for name, hint in function.__annotations__.items()}
    if all(hint is Any for hint in hints.values()):
        return function
    function.__annotations__ = hints
    return beartype(function)


def _carries_shape(hint: object) -> bool:
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or any(_carries_shape(part) for part in get_args(hint))
