"""What a study has finished, in a folder of its own, so that one that was interrupted goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.results import InputError, Result, SondeError

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Kept:
    """Networks and results by name, each made once.

    Arguments:
        folder: where they lie; `None` keeps nothing.
        key: what the study is recognised by.

    Raises:
        InputError: no folder can be made there.
        SondeError: the folder holds another study.
    """

    folder: Path | None
    key: str

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        mark = self.folder / "study.txt"
        if mark.is_file() and mark.read_text(encoding="utf-8").strip() != self.key:
            raise SondeError(f"{self.folder} holds another study (other texts, setting, seeds or strengths): choose another folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            mark.write_text(self.key + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.folder} can't be made a folder ({error.strerror}): give another") from None

    def network(self, name: str, job: Callable[[], AttentionClassifier]) -> AttentionClassifier:
        """A network, trained now or read back.

        Arguments:
            name: of the network within the study.
            job: what trains it.
        """
        place = None if self.folder is None else self.folder / "networks" / name.replace(" ", "-")
        if place is not None and place.is_dir():
            return AttentionClassifier.load(place)
        model = job()
        if place is not None:
            # under another name until it is whole
            unfinished = place.with_name(f".{place.name}")
            model.save(unfinished)
            unfinished.rename(place)
        return model

    def result(self, name: str, kind: type[R], job: Callable[[], R]) -> R:
        """A result, computed now or read back.

        Arguments:
            name: of the result within the study.
            kind: its class.
            job: what computes it.
        """
        place = None if self.folder is None else self.folder / name
        if place is not None and place.is_dir():
            return kind.load(place)
        result = job()
        if place is not None:
            result.save(place)
        return result
