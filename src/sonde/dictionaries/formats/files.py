"""Opening the files of other programs: tensors as float32, settings as plain data; nothing is ever run that a file holds."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.results import InputError, LoadError, shown

WEIGHTS = (".safetensors", ".npz", ".pt", ".pth")


def read_tensors(file: Path) -> dict[str, Any]:
    """What a file of weights holds: tensors in float32 by name, and in `.pt` files what stands beside them.

    Arguments:
        file: its ending says how it is read.

    Raises:
        LoadError: a file that is damaged, cut off, or holds more than tensors and plain data.
    """
    try:
        held = _OPENERS[file.suffix](file)
    except Exception as error:  # each library has errors of its own for a damaged file
        raise LoadError(f"{file} can't be read as tensors and plain data: it is damaged, cut off, or holds objects ({_first_line(error)})") from error
    if not isinstance(held, Mapping):
        raise LoadError(f"{file} holds a {type(held).__name__}, no tensors by name; save the state_dict of the module, not the module")
    return {str(name): _plain(value) for name, value in held.items()}


def tensor_names(file: Path) -> tuple[str, ...]:
    """The names of the tensors in a safetensors file, from its header alone; none where it can't be read.

    Arguments:
        file: any file.
    """
    from safetensors import safe_open

    if file.suffix != ".safetensors" or not file.is_file():
        return ()
    try:
        with safe_open(file, framework="pt") as opened:
            return tuple(opened.keys())
    except Exception:  # whoever reads it in whole says what is wrong
        return ()


def read_settings(file: Path) -> dict[str, Any]:
    """A JSON file of settings.

    Arguments:
        file: where it is.

    Raises:
        LoadError: no such file, or no JSON object in it.
    """
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{file} can't be read as JSON ({_first_line(error)})") from error
    if not isinstance(settings, dict):
        raise LoadError(f"{file} holds a {type(settings).__name__}, no settings by name")
    return settings


def last(pattern: str, text: str) -> re.Match[str] | None:
    """The last place where a pattern matches: of a path the deepest folder.

    Arguments:
        pattern: a regular expression.
        text: a path.

    >>> last(r"layer_(\\d+)", "layer_1/layer_20/width_16k")[1]
    '20'
    """
    return next(reversed(list(re.finditer(pattern, text))), None)


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """What is refused inside is refused with the file's name.

    Arguments:
        file: which is read.
    """
    try:
        yield
    except InputError as error:
        raise LoadError(f"{file}: {error}") from error


def taken(held: Mapping[str, Any], names: dict[str, str], ignored: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors of a file under sonde's names; one that is neither wanted nor known to be harmless is refused: it may change the result.

    Arguments:
        held: what the file holds.
        names: its name for each, then sonde's.
        ignored: its names for what does not decide an output.
        optional: which of `names`, by the file's names, may be missing.

    Raises:
        InputError: tensors that are missing, or that are not known.
    """
    missing = [name for name in names if name not in held and name not in optional]
    unknown = [name for name in held if name not in names and name not in ignored]
    if missing or unknown:
        what = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"holds {', '.join(unknown)}, which is not known here"] * bool(unknown)
        raise InputError(f"{' and '.join(what)}; wanted are {', '.join(names)}, and there are {shown(sorted(held))}")
    if wrong := [name for name in names if name in held and not isinstance(held[name], Tensor)]:
        raise InputError(f"{', '.join(wrong)}: no tensor but {shown(held[wrong[0]])}")
    return {own: held[name] for name, own in names.items() if name in held}


def matrices(tensors: Mapping[str, Tensor], *names: str) -> None:
    """Refuse what has not the two axes that it must have, before it is turned.

    Arguments:
        tensors: by sonde's names.
        names: of those that are matrices.
    """
    for name in names:
        if tensors[name].ndim != 2:
            raise InputError(f"{name} has shape {tuple(tensors[name].shape)}: a matrix is wanted")


def _safetensors(file: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(file)


def _npz(file: Path) -> Any:
    import numpy as np

    with np.load(file, allow_pickle=False) as opened:
        return {name: torch.from_numpy(opened[name]) for name in opened.files}


def _pt(file: Path) -> Any:
    return torch.load(file, map_location="cpu", weights_only=True)


_OPENERS = {".safetensors": _safetensors, ".npz": _npz, ".pt": _pt, ".pth": _pt}


def _plain(value: Any) -> Any:
    return value.detach().float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {shown(str(error).strip().split(chr(10))[0])}"
