"""A place for what long work keeps, made before the work begins: that it can't be written is said at once, and not after the first checkpoint."""

import os
from pathlib import Path

from sonde.results import InputError


def place_for(folder: str | Path) -> Path:
    """Make a folder, with those above it.

    Arguments:
        folder: where.

    Raises:
        InputError: it can't be made or written to.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {place} can't be made ({error.strerror or error}): choose another place for what is kept") from None
    if not os.access(place, os.W_OK):
        raise InputError(f"the folder {place} can't be written to: choose another place for what is kept")
    return place
