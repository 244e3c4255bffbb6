"""What is known of one program's files: how they are recognised, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.standardised import Standardised


@dataclass(frozen=True)
class Format:
    """The files of one program.

    Arguments:
        name: of the format.
        layout: the files, in words, as an error shows them.
        fits: whether a file holds weights in this format; what decides is its name, its neighbours and the names of its tensors.
        read: the dictionary in such a file.
    """

    name: str
    layout: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], Dictionary | Standardised]
