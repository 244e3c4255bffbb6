"""Files that are there whole or not at all, also after a crash or on a full disk."""

import errno
import os
from pathlib import Path

from sonde.results import SondeError

PARTIAL = ".partial"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place, make sure that it has reached the disk, and rename it.

    Arguments:
        path: where it belongs; what was there is replaced.
        data: its bytes.

    Raises:
        SondeError: it can't be written; what was there before is still there.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            way_out = "make room and run the same again, which goes on from there"
            raise SondeError(f"the disk is full: no room for {path} ({len(data):,} bytes). What was written before can be read; {way_out}") from error
        raise SondeError(f"{path} can't be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """The rename itself must reach the disk; systems whose folders can't be opened do that by themselves."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
