"""Small models with known truth, shipped inside the package: they work offline."""

import json
from pathlib import Path
from typing import Any

from sonde.results import LoadError

__all__ = ["card", "names", "path"]

_WEIGHTS = Path(__file__).parent / "weights"


def names() -> list[str]:
    """The shipped specimens.

    >>> names()
    ['words']
    """
    return sorted(config.parent.name for config in _WEIGHTS.glob("*/config.json"))


def path(name: str) -> Path:
    """The folder with a specimen's weights, tokenizer and card.

    Arguments:
        name: one of `names()`.

    Raises:
        LoadError: there is no such specimen.
    """
    if name not in names():
        raise LoadError(f"unknown specimen {name!r}: there is {', '.join(names()) or 'none'}")
    return _WEIGHTS / name


def card(name: str) -> dict[str, Any]:
    """What a specimen is and what was measured on it.

    Arguments:
        name: one of `names()`.

    Returns:
        The card as plain data: `measures` (each with value, interval and number of items), `heads`, `recipe`, `limits`, ...

    Raises:
        LoadError: there is no such specimen.
    """
    return json.loads((path(name) / "card.json").read_text(encoding="utf-8"))
