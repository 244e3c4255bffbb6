"""An append-only log in which a line that is changed, removed, moved or put in is found.

Each line is a JSON object that ends in the hash of itself and of the line before it, so that the lines form a chain:

    hash_n = H(hash_(n-1), line n without its hash),    hash_0 = ""

Lines cut off at the end leave a chain that is whole; a file beside the log, `NAME.head`, holds how many lines there are and the last hash. Whoever
can write both files can write a whole chain anew, unless the hash has a key that he does not know.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sonde.results import InputError, LoadError

KEY_BYTES = 64  # the longest key that BLAKE2b takes


class AuditLog:
    """A log of events as JSON lines; several processes and threads may append to it.

    Arguments:
        path: the file; made where it is missing.
        key: for the hashes; without one they tell an accident, not a forger who knows the format.

    Raises:
        InputError: a folder that is missing, or a key that is too long.

    >>> import tempfile
    >>> log = AuditLog(tempfile.mkdtemp() + "/audit.jsonl")
    >>> log.append({"rule": "keys", "score": 3.5})
    >>> log.verify(), [event["rule"] for event in log.events()]
    (1, ['keys'])
    """

    def __init__(self, path: str | Path, key: bytes = b""):
        self.path, self._key = Path(path), key
        if not self.path.parent.is_dir() or self.path.is_dir():
            raise InputError(f"the audit log can't be written to {self.path}: give a file in a folder that exists")
        if len(key) > KEY_BYTES:
            raise InputError(f"a key of {len(key)} bytes: give at most {KEY_BYTES}")

    @property
    def head(self) -> Path:
        """The file that holds how many lines there are, and the last hash."""
        return self.path.with_name(self.path.name + ".head")

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one event; it is on the disk when this returns.

        Arguments:
            event: plain data.

        Raises:
            InputError: no plain data. LoadError: a log that was cut or whose head is lost: nothing is written after it.
        """
        if {"n", "time", "hash"} & set(event):
            raise InputError("an event's fields 'n', 'time' and 'hash' are the log's own: call them otherwise")
        with self._locked():
            n, last = self._last()
            try:
                body = json.dumps({"n": n + 1, "time": time.time(), **event}, ensure_ascii=False, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise InputError(f"an event that is no plain data can't be logged: {error}") from None
            digest = self._hash(last, body)
            line = f'{body[:-1]}, "hash": "{digest}"}}\n'.encode()
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            swap = self.head.with_suffix(".swap")
            swap.write_text(f"{n + 1} {digest} {self.path.stat().st_size}\n", encoding="ascii")
            swap.replace(self.head)

    def events(self) -> Iterator[dict[str, Any]]:
        """What was logged, in order, as it is written; `verify` says whether it is what was logged."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for i, line in enumerate(file):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise LoadError(f"line {i + 1} of {self.path} is no JSON: it was changed, or cut off while it was written") from None

    def verify(self) -> int:
        """Hold every line against its hash, and the last one against the head.

        Returns:
            How many lines there are.

        Raises:
            LoadError: a line that was changed, removed, moved or put in, by its number; or lines that are missing at the end.
        """
        with self._locked():
            last, n = "", 0
            if self.path.exists():
                for i, line in enumerate(self.path.read_text(encoding="utf-8").splitlines()):
                    body, mark, digest = line.rpartition(', "hash": "')
                    whole = body + "}"
                    if not mark or digest.removesuffix('"}') != self._hash(last, whole) or json.loads(whole).get("n") != i + 1:
                        raise LoadError(
                            f"line {i + 1} of {self.path} is not what was logged after the line before it: one was changed, removed or put in"
                        )
                    last, n = digest.removesuffix('"}'), i + 1
            known = self._head()
            if known[:2] != (n, last):
                raise LoadError(f"{self.path} ends with line {n}, and its head says {known[0]}: lines were cut off, or the head was changed")
            return n

    def _last(self) -> tuple[int, str]:
        """The number and the hash of the last line; refuses a log that was cut."""
        n, digest, size = self._head()
        there = self.path.stat().st_size if self.path.exists() else 0
        if there != size:
            raise LoadError(f"{self.path} has {there} bytes, and its head says {size}: verify it, put it aside, and begin a new log")
        return n, digest

    def _head(self) -> tuple[int, str, int]:
        if not self.head.exists():
            if self.path.exists() and self.path.stat().st_size:
                raise LoadError(f"{self.head} is missing, so lines may have been cut off {self.path}: put both aside, and begin a new log")
            return 0, "", 0
        parts = self.head.read_text(encoding="ascii").split()
        if len(parts) != 3 or not parts[0].isdecimal() or not parts[2].isdecimal():
            raise LoadError(f"{self.head} is damaged: put it and the log aside, and begin a new one")
        return int(parts[0]), parts[1], int(parts[2])

    def _hash(self, last: str, body: str) -> str:
        return hashlib.blake2b(f"{last}\n{body}".encode(), key=self._key, digest_size=16).hexdigest()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer or reader at a time, among threads and processes: each opens the lock file by itself."""
        with self.path.with_name(self.path.name + ".lock").open("ab") as file:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                yield
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
                yield  # the lock goes with the file
