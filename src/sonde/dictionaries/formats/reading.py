"""Reading a dictionary of any program: the format is told from the files and the names in them, never guessed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sonde import bases
from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.formats import dictionary_learning, gemma_scope, gemma_scope_2, openai, saelens, sparsify
from sonde.dictionaries.formats.files import WEIGHTS
from sonde.dictionaries.formats.format import Format
from sonde.dictionaries.standardised import Standardised
from sonde.dictionaries.training.fitting import Training
from sonde.results import InputError, LoadError
from sonde.results.artifact import read_manifest
from sonde.results.codec import kind_of

FORMATS: tuple[Format, ...] = (saelens.FORMAT, sparsify.FORMAT, dictionary_learning.FORMAT, gemma_scope.FORMAT, gemma_scope_2.FORMAT, openai.FORMAT)
"""In the order in which they are tried: those that are told by file names first."""
MANIFEST = "artifact.json"
DEEPEST = 4
"""How many folders below the given one are looked through for dictionaries."""


def read(place: str | Path, part: str | None = None) -> Dictionary | Standardised:
    """A dictionary that sonde (also with its training), SAELens, sparsify, dictionary_learning, Gemma Scope or OpenAI's programs wrote.

    Arguments:
        place: its folder, or the file of its weights.
        part: which one, where a folder holds several: its path in the folder, as `parts` lists them.

    Raises:
        LoadError: a format that is not known, several dictionaries in one folder, files that are damaged or do not fit.
    """
    whole = Path(place) / part if part is not None else Path(place)
    if not whole.exists():
        known = f"; it has {_listed(parts(place))}" if part is not None and Path(place).is_dir() else ""
        raise LoadError(f"{whole} does not exist{known}")
    if (whole / MANIFEST).is_file():
        found = _kept(whole)
        if not isinstance(found, Dictionary | Standardised):
            raise LoadError(f"{whole} keeps {found!r}, which is no dictionary; read it with sonde.bases.load")
        return found
    fitting = _fitting(whole)
    if len(fitting) > 1:
        raise LoadError(f"{whole} holds {len(fitting)} dictionaries: give part={_listed([file.name for _, file in fitting])}")
    if not fitting:
        if whole.is_dir() and (below := parts(whole)):
            raise LoadError(f"{whole} holds {len(below)} dictionaries below it: give part={_listed(below)}")
        raise LoadError(f"{whole} is in no format that is known here: {_seen(whole)}; known are {'; '.join(form.layout for form in FORMATS)}")
    form, file = fitting[0]
    return form.read(file)


def _kept(folder: Path) -> Any:
    """What sonde saved there: a dictionary by itself, or the training that made it."""
    if read_manifest(folder)["kind"] == kind_of(Training):
        return Training.load(folder).dictionary
    return bases.load(folder)


def parts(place: str | Path) -> list[str]:
    """The dictionaries in a folder and those below it, by their paths in it, `.` being its own; in formats that are told by file names.

    Arguments:
        place: a folder.
    """
    root = Path(place)
    if not root.is_dir():
        raise InputError(f"{root} is no folder")
    # a state dict is opened only where a reader is sent to it: openai.FORMAT is left out
    told = [form for form in FORMATS if form is not openai.FORMAT]
    found = {}
    for folder in _folders(root, DEEPEST):
        files = [file for file in _weights(folder) if any(form.fits(file) for form in told)]
        if (folder / MANIFEST).is_file() or len(files) == 1:
            found[folder.relative_to(root).as_posix()] = folder
        else:
            found.update({file.relative_to(root).as_posix(): file for file in files})
    return sorted(found)


def _fitting(whole: Path) -> list[tuple[Format, Path]]:
    """The files in the first format that any fits."""
    files = [whole] if whole.is_file() else _weights(whole)
    for form in FORMATS:
        if fitting := [(form, file) for file in files if form.fits(file)]:
            return fitting
    return []


def _weights(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in WEIGHTS and file.is_file())


def _folders(root: Path, depth: int) -> Iterator[Path]:
    yield root
    if depth:
        for folder in sorted(root.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield from _folders(folder, depth - 1)


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"


def _seen(whole: Path) -> str:
    if whole.is_file():
        return f"a file {whole.name!r}"
    names = sorted(entry.name for entry in whole.iterdir())
    return f"it holds {_listed(names)}" if names else "it is empty"
