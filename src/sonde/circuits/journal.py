"""The decisions of a long walk, written down wave by wave, so that one that was interrupted goes on where it stopped."""

import json
from dataclasses import asdict
from pathlib import Path

from sonde.circuits.waves import Wave
from sonde.results import LoadError, SondeError


class Journal:
    """The waves of a walk, in a folder.

    Arguments:
        folder: where; made if it is missing. `None` keeps nothing.
        key: what the walk is recognised by: a hash of everything that decides it.

    Raises:
        SondeError: the folder holds the decisions of another walk.
        LoadError: what it holds was damaged.
    """

    def __init__(self, folder: str | Path | None, key: str):
        self.file = None if folder is None else Path(folder) / "decisions.jsonl"
        self.done: list[Wave] = []
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a line that was being written when the run ended is not there
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            found = lines[0]["search"] if lines else key
            self.done = [Wave(**{**line, "changes": tuple(line["changes"]), "dropped": tuple(line["dropped"])}) for line in lines[1:]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LoadError(f"{self.file} cannot be read ({error}): delete it, and the search starts anew") from None
        if found != key:
            raise SondeError(f"{folder} holds the decisions of another search (model, task, threshold, order or graph): choose another folder")
        self.file.write_text(whole or json.dumps({"search": key}) + "\n", encoding="utf-8")

    def add(self, wave: Wave) -> None:
        """Write a wave down.

        Arguments:
            wave: it.
        """
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(wave)) + "\n")
