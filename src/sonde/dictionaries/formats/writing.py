"""Writing a dictionary for another program."""

import json
import os
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.formats import saelens_writing
from sonde.dictionaries.standardised import Standardised
from sonde.results import InputError, SondeError, shown

Target = Literal["sonde", "saelens"]
WRITERS: tuple[Target, ...] = get_args(Target)


def write(dictionary: Dictionary | Standardised, folder: str | Path, format: Target = "saelens") -> Path:  # noqa: A002
    """Write a dictionary in the format of another program; what that can't hold is refused by name.

    Arguments:
        dictionary: what is written; its normalisers are folded into its weights.
        folder: made if it is missing; nothing else should be in it.
        format: whose.

    Returns:
        The folder.

    Raises:
        InputError: a kind of dictionary that the format has no name for, or an unknown format. SondeError: a folder that can't be written to.
    """
    if format not in WRITERS:
        raise InputError(f"format={shown(format)}: choose from {', '.join(WRITERS)}")
    if format == "sonde":
        return dictionary.save(folder)
    settings, tensors = saelens_writing.contents(dictionary)
    return _written(Path(folder), settings, tensors)


def _written(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Both files, each moved into its place when it is whole, and the settings last: without them no reader takes the folder for a dictionary."""
    from safetensors.torch import save_file

    names = {saelens_writing.SETTINGS, saelens_writing.WEIGHTS}
    if folder.exists() and (not folder.is_dir() or {entry.name for entry in folder.iterdir()} - names):
        raise SondeError(f"{folder} holds something else; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        weights, plain = folder / saelens_writing.WEIGHTS, folder / saelens_writing.SETTINGS
        plain.unlink(missing_ok=True)
        save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, f"{weights}.part")
        os.replace(f"{weights}.part", weights)
        Path(f"{plain}.part").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(f"{plain}.part", plain)
    except OSError as error:
        raise SondeError(f"{folder} can't be written: {error.strerror or error}") from error
    return folder
