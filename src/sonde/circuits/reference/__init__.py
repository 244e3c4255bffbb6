"""Circuits from the literature as data, each with its source, to compare with what was found."""

from sonde.circuits.reference.docstrings import DOCSTRING
from sonde.circuits.reference.heads import COLORED_OBJECTS, INDUCTION
from sonde.circuits.reference.known import Head, Reference
from sonde.circuits.reference.names import IOI
from sonde.circuits.reference.programs import REVERSE, XPROPORTION, XPROPORTION_ZERO
from sonde.circuits.reference.years import GREATER_THAN
from sonde.results import LoadError, shown

_ALL = {one.name: one for one in (IOI, GREATER_THAN, DOCSTRING, XPROPORTION, XPROPORTION_ZERO, REVERSE, COLORED_OBJECTS, INDUCTION)}

__all__ = ["Head", "Reference", "load", "names"]


def names() -> list[str]:
    """The circuits that are known here.

    >>> names()[:3]
    ['ioi', 'greater_than', 'docstring']
    """
    return list(_ALL)


def load(name: str) -> Reference:
    """A circuit by its name.

    Arguments:
        name: one of `names()`.

    Raises:
        LoadError: there is none of that name.

    >>> len(load("ioi").all_heads)
    26
    """
    if name not in _ALL:
        raise LoadError(f"there is no reference circuit {shown(name)}: choose from {', '.join(_ALL)}")
    return _ALL[name]
