"""Answers kept on disk, each under the hash of everything that decided it; a key is no part of it."""

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from sonde.features.descriptions.clients.client import Answer
from sonde.results import content_hash


@dataclass(frozen=True)
class Cache:
    """A folder of answers.

    Arguments:
        folder: made when the first answer is kept; `None` keeps nothing.
        subject: what else decides an answer: the address, the model, the settings.
    """

    folder: Path | None
    subject: tuple[str, ...]

    def find(self, prompt: str, max_tokens: int) -> Answer | None:
        """The answer that is kept; a file that was damaged counts as none.

        Arguments:
            prompt: what was asked.
            max_tokens: the most tokens of the answer.
        """
        if self.folder is None:
            return None
        try:
            kept = json.loads(self._file(prompt, max_tokens).read_text(encoding="utf-8"))
            return Answer(str(kept["text"]), read=int(kept["read"]), written=int(kept["written"]), cached=True)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, prompt: str, max_tokens: int, answer: Answer) -> None:
        """Keep an answer; written in one step. One that failed is asked again next time.

        Arguments:
            prompt: what was asked.
            max_tokens: the most tokens of the answer.
            answer: what came.
        """
        if self.folder is None or answer.error:
            return
        file = self._file(prompt, max_tokens)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        part.write_text(json.dumps({"text": answer.text, "read": answer.read, "written": answer.written}), encoding="utf-8")
        part.replace(file)

    def _file(self, prompt: str, max_tokens: int) -> Path:
        assert self.folder is not None
        name = content_hash([*self.subject, prompt, max_tokens])
        return self.folder / name[:2] / f"{name}.json"
